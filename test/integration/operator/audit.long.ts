import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { PutBucketLifecycleConfigurationCommand, PutBucketPolicyCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy } from "../../../shared/policies.ts";
import { auditKey, type Audit } from "../../../operator/audit.ts";
import type { Role } from "../../../operator/audit-choices.ts";
import { intendedOf, targetOf, type AuditOptions, type Intended } from "../../../operator/audit-options.ts";
import { openAuditProbe } from "../../../shared/s3/audit-probe.ts";
import type { PolicyDocument } from "../../s3-server/server.ts";
import { snapshotAccount } from "../../support/snapshot-account.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

interface AuditRow {
  readonly id: string;
  readonly expected: string;
  readonly outcome: string;
  readonly verdict: string;
  readonly actions: readonly string[];
  readonly remedy: string | null;
}

interface Audited {
  readonly exit: number | null;
  readonly rows: readonly AuditRow[];
  readonly leftovers: readonly { readonly kind: string; readonly key: string }[];
  readonly stderr: string;
}

describe("airlock audit", () => {
  let world: World;
  before(async () => {
    world = await startWorld({ hosts: ["web1", "web2"] });
    await world.putSigned("web1", Buffer.from("one"));
    const moved = await world.run("mover", ["run", "--once"]);
    assert.equal(moved.exit, 0, moved.stderr);
    await world.putSigned("web1", Buffer.from("two"));
  });
  after(() => world[Symbol.asyncDispose]());

  function argumentsFor(role: string, key: string, ...more: string[]): string[] {
    const inDropZone = role === "host" || role === "mover-drop-zone";
    const [id, secret] = [join(world.dir, `${key}.id`), join(world.dir, `${key}.secret`)];
    const where = ["--bucket", inDropZone ? DROP_ZONE : VAULT, "--region", world.server.region];
    return [
      "audit",
      "--role",
      role,
      "--credentials",
      `files:${id},${secret}`,
      ...where,
      "--endpoint",
      world.server.endpoint,
      "--path-style",
      ...(inDropZone ? ["--host", "web1"] : []),
      ...more,
    ];
  }

  async function audit(role: string, key: string, ...more: string[]): Promise<Audited> {
    const { exit, stdout, stderr } = await world.run("operator", ["--json", ...argumentsFor(role, key, ...more)]);
    return { exit, stderr, ...(JSON.parse(stdout) as Pick<Audited, "rows" | "leftovers">) };
  }

  /** The same in this process: a program takes most of its time to start. */
  async function auditHere(
    role: Role,
    key: string,
    options: Partial<Intended> = {},
    signal = AbortSignal.timeout(60_000),
  ): Promise<Audit> {
    const isDropZone = role === "host" || role === "mover-drop-zone";
    const accessKeyIdFile = join(world.dir, `${key}.id`);
    await using probe = await openAuditProbe({
      bucket: isDropZone ? DROP_ZONE : VAULT,
      region: world.server.region,
      endpoint: world.server.endpoint,
      forcePathStyle: true,
      credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile: join(world.dir, `${key}.secret`) },
      expectedBucketOwner: null,
      checksums: "auto",
    });
    const host = isDropZone ? "web1" : null;
    const intended = { role, host, foreign: false, readback: false, queueUrl: null, ...options };
    return await auditKey(probe, null, intended, signal);
  }

  for (const [role, key, leaves] of [
    ["host", "web1", ["upload", "version"]],
    ["mover-drop-zone", "dropzone-mover", []],
    ["mover-vault", "vault-mover", []],
    ["operator", "operator", []],
  ] as const) {
    test(`finds that a key with the policy of the role ${role} can do its work and nothing else`, async () => {
      const { rows, leftovers } = await auditHere(role, key);
      assert.ok(rows.length >= 48, `${rows.length} powers`);
      assert.deepEqual(
        rows.filter(({ verdict }) => verdict !== "ok").map(({ id }) => id),
        leaves.length === 0 && role !== "mover-drop-zone" ? [] : ["delete-bucket"],
      );
      assert.deepEqual(leftovers.map(({ kind }) => kind).toSorted(), leaves);
    });
  }

  test("with the root keys of both accounts it names every power, and leaves the accounts as they were", async () => {
    const tls = { Effect: "Deny", Principal: "*", Action: "s3:*", Resource: `arn:aws:s3:::${DROP_ZONE}/*` } as const;
    const Statement = [{ ...tls, Condition: { Bool: { "aws:SecureTransport": "false" } } }];
    await world.dropZoneOwner.send(
      new PutBucketPolicyCommand({
        Bucket: DROP_ZONE,
        Policy: JSON.stringify({ Version: "2012-10-17", Statement }),
      }),
    );
    const Rules = [{ ID: "tier", Status: "Enabled" as const, Filter: { Prefix: "archive/" }, Transitions: [TIER] }];
    await world.vaultOwner.send(
      new PutBucketLifecycleConfigurationCommand({ Bucket: VAULT, LifecycleConfiguration: { Rules } }),
    );
    await world.dropZoneOwner.send(
      new PutObjectCommand({ Bucket: DROP_ZONE, Key: "web1/somebodys", Body: "x", Tagging: "a=b" }),
    );
    for (const [role, account, owner] of [
      ["host", world.dropZoneAccount, world.dropZoneOwner],
      ["mover-drop-zone", world.dropZoneAccount, world.dropZoneOwner],
      ["mover-vault", world.vaultAccount, world.vaultOwner],
      ["operator", world.vaultAccount, world.vaultOwner],
    ] as const) {
      const earlier = await snapshotAccount(owner);
      const { rows, leftovers } = await auditHere(role, `owner-${account.id}`);
      assert.deepEqual(await snapshotAccount(owner), earlier, role);
      assert.deepEqual(leftovers, [], role);
      const isDropZone = role === "host" || role === "mover-drop-zone";
      const elsewise = rows.filter(({ outcome }) => outcome !== "possible").map(({ id }) => id);
      assert.deepEqual(elsewise.toSorted(), [...NOT_POSSIBLE, ...(isDropZone ? IN_DROP_ZONE : [])].toSorted(), role);
      const excess = rows.filter(({ verdict }) => verdict === "excess");
      assert.ok(excess.length > 25, role);
      for (const { id, remedy } of excess) assert.ok(remedy !== null && remedy.length > 20, id);
    }
  });

  test("names the one thing that a policy allows beyond a host's", async () => {
    const own = hostPolicy({ bucket: DROP_ZONE, host: "web1", secureTransport: false });
    const without = own.Statement.filter(({ Sid }) => Sid !== "NothingElse");
    for (const [action, ids] of Object.entries(BEYOND_A_HOST)) {
      const more = { Sid: "More", Effect: "Allow", Action: action, Resource: BOTH(DROP_ZONE) } as const;
      world.dropZoneAccount.setUserPolicies("web1", { ...own, Statement: [...without, more] });
      assert.deepEqual(excessOf((await auditHere("host", "web1")).rows), ids, action);
    }
    const { Statement, ...rest } = own;
    await assertExcess({ ...rest, Statement: Statement.filter(({ Sid }) => Sid !== "CreateOnly") }, []);
    world.dropZoneAccount.setUserPolicies("web1", own);
  });

  async function assertExcess(policy: PolicyDocument, excess: readonly string[]): Promise<void> {
    world.dropZoneAccount.setUserPolicies("web1", policy);
    const { rows } = await auditHere("host", "web1");
    assert.deepEqual(excessOf(rows), excess);
    // there twice, and the first still reaches the vault
    assert.equal(rows.find(({ id }) => id === "overwrite")?.verdict, "tolerated");
    const foreign = await auditHere("host", "web1", { foreign: true });
    assert.equal(foreign.rows.find(({ id }) => id === "overwrite")?.verdict, "ok");
  }

  test("in a vault, overwriting is too much, and so is reading what was archived, unless the mover reads back", async () => {
    const own = moverVaultPolicy({ bucket: VAULT, verify: "readback", secureTransport: false });
    const Statement = own.Statement.filter(({ Sid }) => Sid !== "CreateOnly");
    world.vaultAccount.setUserPolicies("mover", { ...own, Statement });
    const { rows } = await auditHere("mover-vault", "vault-mover");
    assert.deepEqual(excessOf(rows), ["overwrite", "overwrite-ledger", "read", "read-version", "head"]);
    assert.match(rows.find(({ id }) => id === "overwrite")?.remedy ?? "", /CreateOnly/);
    world.vaultAccount.setUserPolicies("mover", own);
    assert.deepEqual(excessOf((await auditHere("mover-vault", "vault-mover", { readback: true })).rows), []);
  });

  test("removes what it made also when it is interrupted half-way", async () => {
    const key = `owner-${world.dropZoneAccount.id}`;
    for (const interruptedAt of [1, 2, 3, 25, 50]) {
      const earlier = await snapshotAccount(world.dropZoneOwner);
      const interrupted = new AbortController();
      let count = 0;
      const stop = world.server.onRequest(() => {
        if (++count === interruptedAt) interrupted.abort();
      });
      await assert.rejects(auditHere("host", key, {}, interrupted.signal));
      stop();
      assert.deepEqual(await snapshotAccount(world.dropZoneOwner), earlier, `${interruptedAt}`);
    }
  });

  test("tries the queue as well, which is the mover's alone", async () => {
    const { url, arn } = world.dropZoneAccount.createQueue("airlock-audited");
    const own = moverDropZonePolicy({ bucket: DROP_ZONE, versioned: true, queueArn: arn, secureTransport: false });
    world.dropZoneAccount.setUserPolicies("mover", own);
    const outcomes = async (role: string, key: string): Promise<Record<string, string>> => {
      const { rows } = await audit(role, key, "--queue-url", url);
      return Object.fromEntries(rows.filter(({ id }) => id.startsWith("queue-")).map((row) => [row.id, row.verdict]));
    };
    const ok = { "queue-receive": "ok", "queue-delete": "ok", "queue-extend": "ok" };
    assert.deepEqual(await outcomes("mover-drop-zone", "dropzone-mover"), ok);
    assert.deepEqual(await outcomes("host", "web2"), ok);
    const root = await outcomes("host", `owner-${world.dropZoneAccount.id}`);
    assert.deepEqual(new Set(Object.values(root)), new Set(["excess"]));
  });

  test("ends with exit 7 when a key can do more than its role should", async () => {
    const { exit, rows } = await audit("operator", `owner-${world.vaultAccount.id}`);
    assert.equal(exit, 7);
    assert.ok(excessOf(rows).includes("set-policy"));
  });

  test("says with exit 4 that a key can't do its work", async () => {
    const { exit, rows } = await audit("mover-drop-zone", "web2");
    assert.equal(exit, 4);
    const lacking = rows.filter(({ verdict }) => verdict === "lacking").map(({ id }) => id);
    assert.ok(lacking.includes("list") && lacking.includes("create"), lacking.join());
  });

  test("the operator's key and vault are the configuration's by default", async () => {
    const { exit, stdout } = await world.run("operator", ["audit", "--role", "operator"]);
    assert.equal(exit, 0);
    assert.match(stdout, /^what whoever has this key can do with s3:\/\/acme-vault/);
    assert.match(stdout, /\n10 possible, \d+ denied\n$/);
    for (const line of stdout.split("\n").slice(2)) assert.ok(line.length <= 80, line);
  });

  test("tells what is missing on the command line, and never what stands in the place of a key", async () => {
    const args = ["audit", "--role", "operator", "--bucket", "b12", "--region", "r", "--credentials", "AKIA:swordfish"];
    const { exit, stdout, stderr } = await world.run("operator", args);
    assert.equal(exit, 2);
    assert.match(stderr, /--credentials names no source\n {2}env, profile:NAME or files:/);
    assert.doesNotMatch(stdout + stderr, /swordfish/);

    const vault = (): Promise<never> => Promise.reject(new Error("no configuration is read here"));
    for (const [options, message] of [
      [{ role: "host", credentials: "env" }, /--role host needs --host NAME/],
      [{ role: "host", host: "Web1", credentials: "env" }, /--host: not a host's name: Web1/],
      [{ role: "host", host: "web1", credentials: "env" }, /needs --bucket and --region/],
      [{ role: "mover-vault", bucket: "acme-vault", region: "r" }, /whose key/],
      [{ role: "operator", credentials: "env", bucket: "No!", region: "r" }, /--bucket: expected a bucket's name/],
      [
        { role: "operator", credentials: "env", bucket: "b12", region: "r", endpoint: "http://s.example" },
        /--endpoint/,
      ],
    ] as const satisfies readonly (readonly [AuditOptions, RegExp])[]) {
      await assert.rejects(async () => {
        intendedOf(options);
        await targetOf(options, vault);
      }, message);
    }
  });
});

const TIER = { Days: 30, StorageClass: "GLACIER" } as const;
const BOTH = (bucket: string): string[] => [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];

/** What the owner of these buckets can't do: they take no ACLs, and the embedded store has no such requests. */
const NOT_POSSIBLE = ["begin-with-acl", "set-cors", "set-logging", "set-replication", "set-website"];
/** That, in the drop-zone, where create-only writes are honoured and nothing is locked. */
const IN_DROP_ZONE = [
  "begin-with-legal-hold",
  "begin-with-retention",
  "create-again",
  "delete-bucket",
  "mark-legal-hold",
  "mark-retention",
  "mark-retention-bypassing-governance",
];

/** One action each, and what of it is seen. */
const BEYOND_A_HOST: Readonly<Record<string, readonly string[]>> = {
  "s3:PutObject": ["create-lookalike", "create-elsewhere"],
  "s3:GetObject": ["read", "head"],
  "s3:GetObjectVersion": ["read-version"],
  "s3:GetObjectTagging": ["read-tags"],
  "s3:GetObjectAcl": ["read-acl"],
  "s3:GetObjectRetention": ["read-retention"],
  "s3:ListBucket": ["list"],
  "s3:ListBucketVersions": ["list-versions"],
  "s3:ListBucketMultipartUploads": ["list-uploads"],
  "s3:ListMultipartUploadParts": ["list-parts"],
  "s3:AbortMultipartUpload": ["abort-upload"],
  "s3:PutObjectTagging": ["begin-with-tags", "mark-tags"],
  "s3:PutObjectAcl": ["mark-acl"],
  "s3:RestoreObject": ["mark-restoration"],
  "s3:GetBucketPolicy": ["get-policy"],
  "s3:PutBucketPolicy": ["set-policy"],
  "s3:PutLifecycleConfiguration": ["set-lifecycle"],
  "s3:PutBucketVersioning": ["set-versioning"],
  "s3:PutBucketNotification": ["set-notification"],
  "s3:DeleteObject": ["delete"],
  "s3:DeleteObjectVersion": ["delete-batch", "delete-version"],
};

function excessOf(rows: readonly AuditRow[]): string[] {
  return rows.filter(({ verdict }) => verdict === "excess").map(({ id }) => id);
}
