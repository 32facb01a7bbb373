import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DeleteObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { segmentName } from "../../../shared/ledger.ts";
import { createHost, createLedger, keysOf } from "../../unit/operator/fixture.ts";
import { startVaultServer, type VaultServer } from "./vault-server.ts";

let vault: VaultServer;
let file: string;
const web = createHost("web1");
const mover = createLedger("mover-a");

async function grow(): Promise<void> {
  const objects = [web.next(), web.next()];
  for (const object of objects) await vault.putObject(object);
  mover.append(objects.map(({ entry }) => entry));
  await vault.putLedger(mover);
}

before(async () => {
  vault = await startVaultServer();
  file = join(vault.folder, "kept.json");
  await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key]));
  await grow();
  await grow();
});
after(() => vault[Symbol.asyncDispose]());

async function verify(...args: string[]): Promise<{ exit: number | null; found: string[]; stderr: string }> {
  const { exit, stdout, stderr } = await vault.run(["verify", "--json", ...args]);
  const values = stdout.toString("utf8").trimEnd().split("\n");
  const parsed = values.map((line) => JSON.parse(line) as { type?: string; code?: string; segment?: number });
  const findings = parsed.filter(({ type }) => type === "finding");
  return { exit, found: findings.map(({ code, segment }) => `${code} ${segment}`), stderr: stderr + stdout };
}

const headIn = (text: string): number =>
  (JSON.parse(text) as { checkpoint: { movers: { marks: { segment: number }[] }[] } }).checkpoint.movers[0]?.marks.at(
    -1,
  )?.segment ?? 0;

test("a checkpoint is written, compared with and brought up to date, and tells when the ledger's end was cut off", async () => {
  assert.deepEqual((await verify("--checkpoint", file)).found, []);
  const early = await readFile(file, "utf8");
  assert.equal(headIn(early), 2);
  await grow();
  assert.equal((await verify("--since", file)).exit, 0);
  assert.equal(await readFile(file, "utf8"), early, "--since only compares");
  const { stdout } = await vault.run(["verify", "--checkpoint", file]);
  assert.match(stdout.toString("utf8"), /^checkpoint {9}\S+kept\.json: keep it elsewhere/m);
  const late = await readFile(file, "utf8");
  assert.equal(headIn(late), 3);

  const { owner, endpoint, region, bucket: Bucket } = vault;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  const Key = segmentName("mover-a", 3);
  await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId: await vault.versionOf(Key) }));
  client.destroy();
  assert.deepEqual(await verify("--checkpoint", file).then(({ exit, found }) => ({ exit, found })), {
    exit: 5,
    found: ["ledger-rolled-back 3"],
  });
  assert.equal(await readFile(file, "utf8"), late, "what does not contain it does not replace it");
  const text = await vault.run(["verify", "--since", file]);
  assert.match(text.stdout.toString("utf8"), /^FINDING +COUNT +MEANS\nledger-rolled-back +1 +its end was cut off/);
});

test("what is no checkpoint, or another vault's, is refused before anything is done, and left as it is", async () => {
  const other = (await readFile(file, "utf8")).replace("acme-vault", "another-vault");
  for (const content of ["notes of mine\n", "{}", other]) {
    const mine = join(vault.folder, "mine.txt");
    await writeFile(mine, content);
    for (const option of ["--since", "--checkpoint"]) {
      const { exit, stderr } = await verify(option, mine);
      assert.equal(exit, 2, stderr);
      assert.match(stderr, /not a checkpoint of this vault/);
    }
    assert.equal(await readFile(mine, "utf8"), content);
  }
  assert.equal((await verify("--since", join(vault.folder, "none.json"))).exit, 2);
});

test("in a bucket with a default retention each object's lock is read with --locks", async () => {
  await using locked = await startVaultServer({ lockDays: 30 });
  const ledger = createLedger("mover-a");
  const objects = [web.next(), web.next(), web.next()];
  for (const object of objects) await locked.putObject(object);
  ledger.append(objects.map(({ entry }) => entry));
  await locked.putLedger(ledger);
  await locked.configure(keysOf(["mover-a", ledger.key]), keysOf(["web1", web.key]));
  const { stdout } = await locked.run(["verify", "--locks"]);
  assert.match(stdout.toString("utf8"), /^locks {14}4 checked; the bucket's default is 30 d, COMPLIANCE$/m);
});
