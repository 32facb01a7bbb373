import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { segmentName } from "../../../shared/ledger.ts";
import { createHost, createLedger, keysOf } from "../../unit/operator/fixture.ts";
import { startVaultServer, type VaultServer } from "./vault-server.ts";

let vault: VaultServer;
const web = createHost("web1");
const mover = createLedger("mover-a");
const objects = Array.from({ length: 30 }, (_, at) => web.next({ bytes: Buffer.from(`object ${at}`) }));

before(async () => {
  vault = await startVaultServer();
  for (let at = 0; at < objects.length; at += 10) mover.append(objects.slice(at, at + 10).map(({ entry }) => entry));
  await Promise.all(objects.map((object) => vault.putObject(object)));
  await vault.putLedger(mover);
  await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key]));
});
after(() => vault[Symbol.asyncDispose]());

/** The lines that `verify --json` prints. */
async function verify(...args: string[]): Promise<{ exit: number | null; findings: string[]; summary: unknown }> {
  const { exit, stdout, stderr } = await vault.run(["verify", "--json", ...args]);
  assert.equal(stderr, "");
  const lines = stdout.toString("utf8").trimEnd().split("\n");
  const values = lines.map((line) => JSON.parse(line) as { type: string; code: string; subject: string });
  const summary = values.pop();
  assert.equal(summary?.type, "summary");
  return { exit, summary, findings: values.map(({ code, subject }) => `${code} ${subject}`) };
}

test("verify of a vault that is as it should be exits 0 and sums up what was proven", async () => {
  const { exit, findings, summary } = await verify("--read");
  assert.deepEqual({ exit, findings }, { exit: 0, findings: [] });
  const bytes = objects.reduce((sum, object) => sum + object.bytes.length, 0);
  assert.partialDeepStrictEqual(summary, {
    findings: 0,
    objects: 30,
    bytes,
    read: { objects: 30, bytes },
    inFlight: 0,
  });
  const { stdout } = await vault.run(["verify"]);
  assert.match(
    stdout.toString("utf8"),
    /^mover mover-a: 3 segments, 30 entries\n {2}head 3 {2}[0-9a-f]{64}\n[^]*no findings\n$/,
  );
});

test("a name that is almost a segment's keeps nobody from reading the ledger, and is found", async () => {
  const name = "_airlock/ledger/mover-a/000000000000.jsonl";
  await vault.put(name, Buffer.from("{}\n"));
  const { exit, findings } = await verify();
  assert.deepEqual({ exit, findings }, { exit: 5, findings: [`object-unrecorded ${name}`] });
  const { owner, endpoint, region, bucket } = vault;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: name, VersionId: await vault.versionOf(name) }));
  client.destroy();
});

test("what the vault's owner hides, replaces or removes is found in a versioned bucket, and exits 5", async () => {
  const { owner, endpoint, region } = vault;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  const [hidden, replaced, removed] = objects;
  assert.ok(hidden && replaced && removed);
  const Bucket = vault.bucket;
  await client.send(new DeleteObjectCommand({ Bucket, Key: hidden.vaultName }));
  await client.send(new PutObjectCommand({ Bucket, Key: replaced.vaultName, Body: Buffer.from("object X") }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: segmentName("mover-a", 2) }));
  const versionId = await vault.versionOf(removed.vaultName);
  await client.send(new DeleteObjectCommand({ Bucket, Key: removed.vaultName, VersionId: versionId }));
  client.destroy();

  const { exit, findings } = await verify("--read");
  assert.equal(exit, 5);
  const segment = segmentName("mover-a", 2);
  const lost = objects.slice(10, 20).map(({ vaultName }) => vaultName);
  const expected = [
    `segment-missing ${segment}`,
    `object-hidden ${segment}`,
    `object-hidden ${hidden.vaultName}`,
    `object-missing ${removed.vaultName}`,
    `object-versions ${replaced.vaultName}`,
    "sequence-hole web1",
  ];
  const relevant = findings.filter((line) => !lost.some((name) => line.endsWith(name)));
  // what is hidden can't be read without naming its version
  expected.push(`object-corrupt ${hidden.vaultName}`, `object-corrupt ${replaced.vaultName}`);
  assert.deepEqual(relevant.toSorted(), expected.toSorted());

  const { exit: exitOfText, stdout } = await vault.run(["verify"]);
  assert.equal(exitOfText, 5);
  assert.match(
    stdout.toString("utf8"),
    /^object-missing: entry 3: the vault does not hold this object \[mover-a, segment 1\]\n {4}archive\/web1\//m,
  );
});

test("a store that is not there is exit 3, a key that may not read exit 4", async () => {
  vault.server.faults.add({
    operation: "ListObjectVersions",
    fault: { kind: "error", when: "before", status: 403, code: "AccessDenied" },
  });
  assert.equal((await vault.run(["verify"])).exit, 4);
  vault.server.faults.clear();
  await vault.server.goDown();
  const { exit, stderr } = await vault.run(["verify"]);
  await vault.server.comeUp();
  assert.equal(exit, 3, stderr);
});

test("an interrupt ends verify at once", async () => {
  const fault = vault.server.faults.add({ operation: "GetObject", fault: { kind: "hang", when: "before" } });
  const asked = fault.nextFiring();
  const child = vault.start(["verify"]);
  await asked;
  child.kill("SIGINT");
  const [code] = (await once(child, "close")) as [number];
  vault.server.faults.clear();
  assert.equal(code, 1);
});
