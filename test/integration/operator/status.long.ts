import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DeleteObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { segmentName } from "../../../shared/ledger.ts";
import { widthOf } from "../../../shared/printable.ts";
import { createHost, createLedger, foreignObject, HOUR_MS, keysOf } from "../../unit/operator/fixture.ts";
import { startVaultServer, type VaultServer } from "./vault-server.ts";

let vault: VaultServer;
/** What the vault's clock is behind ours. */
let behindMs = 0;
const now = Date.now();
const [web, db, idle] = [createHost("web1"), createHost("db1"), createHost("idle")];
const mover = createLedger("mover-a");
const movers = keysOf(["mover-a", mover.key]);
const hosts = keysOf(["web1", web.key], ["db1", db.key], ["idle", idle.key]);
const STRANGER = createHost("stranger").key;

before(async () => {
  vault = await startVaultServer({ clock: () => Date.now() - behindMs });
  const late = web.next({ set: "late", at: now - HOUR_MS });
  mover.append(
    [
      web.next({ at: now - 30 * HOUR_MS }),
      db.next({ set: "etc", at: now - 2 * HOUR_MS, bytes: Buffer.alloc(2000) }),
      db.next({ set: "etc", at: now - HOUR_MS, bytes: Buffer.alloc(10) }),
      web.next({ set: "forged", at: now - HOUR_MS, key: STRANGER }),
      web.next({ set: "check", at: now - HOUR_MS }),
      // it was complete three days ago, and held until now
      { ...late.entry, exposureMs: 72 * HOUR_MS },
      foreignObject("web1/nginx/access.log", Buffer.from("log"), now - HOUR_MS),
    ].map((made) => ("entry" in made ? made.entry : made)),
    { web1: { "quota-bytes": 3 } },
  );
  await vault.putLedger(mover);
});
after(() => vault[Symbol.asyncDispose]());

interface Status {
  readonly stale: number;
  readonly sets: readonly { host: string; set: string | null; state: string; size: number | null }[];
  readonly movers: readonly { mover: string; state: string; head: { segment: number } | null; holds: unknown }[];
}

async function status(...args: string[]): Promise<{ exit: number | null; value: Status; stderr: string }> {
  const { exit, stdout, stderr } = await vault.run(["status", "--json", ...args]);
  return { exit, stderr, value: JSON.parse(stdout.toString("utf8")) as Status }; // compared below
}

const statesOf = ({ sets }: Status): string[] => sets.map(({ host, set, state }) => `${host}/${set ?? "*"} ${state}`);

test("what comes as expected is exit 0, and --quiet says nothing", async () => {
  const expect = { web1: { postgres: { every: "31h" } }, db1: { etc: { every: "3h", minSize: "1kB" } } };
  await vault.configure(movers, keysOf(["web1", web.key], ["db1", db.key]), { expect, staleAfter: "3h" });
  const { exit, value } = await status();
  assert.equal(exit, 0);
  assert.equal(value.stale, 0);
  assert.deepEqual(statesOf(value).slice(0, 2), ["db1/etc fresh", "web1/postgres fresh"]);
  assert.equal(value.sets[0]?.size, 2000, "what is smaller than minSize does not count");
  assert.partialDeepStrictEqual(value.movers, [
    { mover: "mover-a", state: "running", head: { segment: 1 }, holds: { web1: { "quota-bytes": 3 } } },
  ]);
  const quiet = await vault.run(["status", "--quiet"]);
  assert.deepEqual([quiet.exit, quiet.stdout.toString("utf8"), quiet.stderr], [0, "", ""]);
});

test("silent hosts and sets are exit 5: what is forged, a check, or long held does not make them fresh", async () => {
  const sets = ["postgres", "forged", "check", "late", "nothing"];
  const expect = { web1: Object.fromEntries(sets.map((set) => [set, { every: "26h" }])) };
  await vault.configure(movers, hosts, { expect });
  const { exit, value } = await status("--quiet");
  assert.equal(exit, 5);
  assert.deepEqual(statesOf(value), [
    "db1/* fresh",
    "db1/etc not-judged",
    "idle/* never",
    "web1/postgres stale",
    "web1/forged never",
    "web1/check never",
    "web1/late stale",
    "web1/nothing never",
    "web1/web1/nginx not-judged",
  ]);
  const { exit: exitOfText, stdout } = await vault.run(["status"]);
  const text = stdout.toString("utf8");
  assert.equal(exitOfText, 5);
  assert.match(text, /^web1\/postgres +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +30h +26h +\d+ B +STALE$/m);
  assert.match(text, /^idle \(any set\) +- +- +26h +- +NEVER$/m);
  assert.match(text, /^held by mover-a: web1, 3 quota-bytes$/m);
  assert.match(text, /^6 not as expected$/m);
  for (const line of text.split("\n")) assert.ok(widthOf(line) <= 80, line);
});

test("a ledger that no longer grows is exit 5, by the vault's clock; a mover without valid keys is retired", async () => {
  const only = keysOf(["db1", db.key]);
  await vault.configure(movers, only, { staleAfter: "26h" });
  assert.equal((await status()).exit, 0);
  behindMs = 40 * HOUR_MS;
  const b = createLedger("mover-b");
  // it says that it was written now
  b.append([web.next({ at: now }).entry]);
  await vault.putLedger(b);
  behindMs = 0;
  const [a, ofB] = [mover.key.public, b.key.public];
  await vault.configure(
    new Map([
      ["mover-a", [a]],
      ["mover-b", [ofB]],
      ["mover-c", [ofB]],
    ]),
    only,
    {},
  );
  const stopped = await status();
  assert.equal(stopped.exit, 5);
  assert.deepEqual(
    stopped.value.movers.map(({ state }) => state),
    ["running", "stopped", "silent"],
  );
  const until = new Date(now + HOUR_MS);
  await vault.configure(
    new Map([
      ["mover-a", [a]],
      ["mover-b", [{ ...ofB, until }]],
    ]),
    only,
    {},
  );
  assert.equal((await status()).exit, 5, "its key counts still");
  const past = new Date(now + 1);
  await vault.configure(
    new Map([
      ["mover-a", [a]],
      ["mover-b", [{ ...ofB, until: past }]],
    ]),
    only,
    {},
  );
  const retired = await status();
  assert.deepEqual([retired.exit, retired.value.movers[1]?.state], [0, "retired"]);
});

test("a ledger whose end is gone since the last look is exit 5, and said", async () => {
  const only = keysOf(["db1", db.key]);
  mover.append([db.next({ set: "etc", at: now }).entry]);
  await vault.putLedger(mover);
  await vault.configure(movers, only, {});
  assert.equal((await status()).exit, 0);
  const { owner, endpoint, region, bucket: Bucket } = vault;
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner });
  const Key = segmentName("mover-a", 2);
  await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId: await vault.versionOf(Key) }));
  client.destroy();
  const { exit, stderr } = await status("--quiet");
  assert.equal(exit, 5);
  assert.match(
    stderr,
    /segment 2 of mover mover-a, which was verified here before with the digest [0-9a-f]{64}, is gone/,
  );
});
