import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { moverDropZonePolicy, moverVaultPolicy } from "../../../shared/policies.ts";
import type { Attempt } from "../../../shared/s3/key-probe.ts";
import { openMoverProbe, type MoverProbe } from "../../../shared/s3/mover-probe.ts";
import type { StoredVersion } from "../../../shared/stores.ts";
import type { Account, Credentials, PolicyDocument } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

/** An attempt, and the one action that gives the power to do it. */
interface Power {
  readonly action: string;
  readonly attempt: (
    probe: MoverProbe,
    there: string,
    signal: AbortSignal,
    versionId: string | null,
  ) => Promise<Attempt>;
}

const NOBODYS = "archive/nobodys/0123";

const POWERS: Readonly<Record<string, Power>> = {
  write: { action: "s3:PutObject", attempt: (probe, _, signal) => probe.write("elsewhere", true, signal) },
  overwrite: { action: "s3:PutObject", attempt: (probe, there, signal) => probe.write(there, false, signal) },
  read: { action: "s3:GetObject", attempt: (probe, there, signal) => probe.read(there, null, signal) },
  "read a version": {
    action: "s3:GetObjectVersion",
    attempt: (probe, there, signal, versionId) => probe.read(there, versionId, signal),
  },
  head: { action: "s3:GetObject", attempt: (probe, there, signal) => probe.head(there, signal) },
  list: { action: "s3:ListBucket", attempt: (probe, _, signal) => probe.list("archive/", signal) },
  "list versions": {
    action: "s3:ListBucketVersions",
    attempt: (probe, _, signal) => probe.listVersions("archive/", signal),
  },
  "delete a version": {
    action: "s3:DeleteObjectVersion",
    attempt: (probe, _, signal) => probe.deleteVersion(NOBODYS, signal),
  },
  "delete in a batch": {
    action: "s3:DeleteObjectVersion",
    attempt: (probe, _, signal) => probe.deleteBatch(NOBODYS, "null", signal),
  },
  hide: { action: "s3:DeleteObject", attempt: (probe, _, signal) => probe.hide(NOBODYS, signal) },
  tags: { action: "s3:PutObjectTagging", attempt: (probe, there, signal) => probe.markObject("tags", there, signal) },
  "an object's ACL": {
    action: "s3:PutObjectAcl",
    attempt: (probe, there, signal) => probe.markObject("ACL", there, signal),
  },
  retention: {
    action: "s3:PutObjectRetention",
    attempt: (probe, there, signal) => probe.markObject("retention", there, signal),
  },
  "legal hold": {
    action: "s3:PutObjectLegalHold",
    attempt: (probe, there, signal) => probe.markObject("legal hold", there, signal),
  },
  policy: { action: "s3:PutBucketPolicy", attempt: (probe, _, signal) => probe.setBucket("policy", signal) },
  lifecycle: {
    action: "s3:PutLifecycleConfiguration",
    attempt: (probe, _, signal) => probe.setBucket("lifecycle", signal),
  },
  versioning: {
    action: "s3:PutBucketVersioning",
    attempt: (probe, _, signal) => probe.setBucket("versioning", signal),
  },
  "object lock": {
    action: "s3:PutBucketObjectLockConfiguration",
    attempt: (probe, _, signal) => probe.setBucket("object lock", signal),
  },
  "the bucket's ACL": { action: "s3:PutBucketAcl", attempt: (probe, _, signal) => probe.setBucket("ACL", signal) },
  notifications: {
    action: "s3:PutBucketNotification",
    attempt: (probe, _, signal) => probe.setBucket("notification", signal),
  },
};

/** What the mover must be able to do in the drop-zone. */
const NEEDED_THERE = new Set([
  "read",
  "read a version",
  "head",
  "list",
  "list versions",
  "delete a version",
  "delete in a batch",
]);

describe("each probe of the mover's keys tells a key with the power from one without", () => {
  let world: World;
  let there: { readonly vault: StoredVersion; readonly dropZone: StoredVersion };
  before(async () => {
    world = await startWorld();
    await world.putSigned("web1", Buffer.from("bytes"));
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    await world.putSigned("web1", Buffer.from("more"));
    const [[vault], [dropZone]] = [await world.listVault(), await world.listDropZone()];
    assert.ok(vault !== undefined && dropZone !== undefined);
    there = { vault, dropZone };
  });
  after(() => world[Symbol.asyncDispose]());

  let users = 0;
  async function openProbe(bucket: string, account: Account, key: Credentials | PolicyDocument): Promise<MoverProbe> {
    const name = `key-${++users}`;
    const credentials = "accessKeyId" in key ? key : account.createUser(name, key);
    const [accessKeyIdFile, secretAccessKeyFile] = [join(world.dir, `${name}.id`), join(world.dir, `${name}.secret`)];
    await writeFile(accessKeyIdFile, credentials.accessKeyId, { mode: 0o600 });
    await writeFile(secretAccessKeyFile, credentials.secretAccessKey, { mode: 0o600 });
    const { region, endpoint } = world.server;
    return openMoverProbe({
      bucket,
      region,
      endpoint,
      forcePathStyle: true,
      credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
      expectedBucketOwner: null,
      checksums: "auto",
    });
  }

  for (const [name, { action, attempt }] of Object.entries(POWERS)) {
    test(name, async () => {
      const signal = AbortSignal.timeout(30_000);
      const stored = [await world.listVault(""), await world.listDropZone()];
      const lone: PolicyDocument = {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
      };
      const vaultMover = moverVaultPolicy({ bucket: VAULT, secureTransport: false, verify: "checksum" });
      const dropZoneMover = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport: false, versioned: true });
      const ask = async (bucket: string, account: Account, key: Credentials | PolicyDocument): Promise<string> => {
        await using probe = await openProbe(bucket, account, key);
        const { key: target, versionId } = bucket === VAULT ? there.vault : there.dropZone;
        return (await attempt(probe, target, signal, versionId)).verdict;
      };
      assert.equal(await ask(VAULT, world.vaultAccount, world.vaultAccount.owner), "allowed", "the vault's owner");
      assert.equal(await ask(VAULT, world.vaultAccount, lone), "allowed", `a key that may ${action} and nothing else`);
      assert.equal(await ask(VAULT, world.vaultAccount, vaultMover), "denied", "the mover's key of the vault");
      const needed = NEEDED_THERE.has(name) ? "allowed" : "denied";
      assert.equal(
        await ask(DROP_ZONE, world.dropZoneAccount, dropZoneMover),
        needed,
        "the mover's key of the drop-zone",
      );
      assert.deepEqual([await world.listVault(""), await world.listDropZone()], stored, "nothing has changed");
    });
  }
});
