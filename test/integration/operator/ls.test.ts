import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { widthOf } from "../../../shared/printable.ts";
import { createHost, createLedger, foreignObject, HOUR_MS, keysOf, START } from "../../unit/operator/fixture.ts";
import { startVaultServer, type VaultServer } from "./vault-server.ts";

let vault: VaultServer;
const web = createHost("web1");
const db = createHost("db1");
const mover = createLedger("mover-a");
const dumps = Array.from({ length: 12 }, () => web.next());
const hostile = db.next({
  set: "etc",
  name: "\u001b[31m\n\u202Eevil.tar.zst.age",
  encoding: ["tar", "zstd", "age"],
  at: START,
});

before(async () => {
  vault = await startVaultServer();
  const foreign = foreignObject("web1/nginx/2026-11-21/access log.gz", Buffer.from("log"));
  const [first] = dumps;
  assert.ok(first);
  mover.append([
    ...dumps.map(({ entry }) => entry),
    { ...first.entry, at: new Date(START + 90 * HOUR_MS).toISOString(), disposition: "duplicate" },
    { ...first.entry, disposition: "finding", vault: null, source: null, sha256: null, findings: [{ code: "forked" }] },
    hostile.entry,
    foreign.entry,
  ]);
  await vault.putLedger(mover);
  await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key], ["db1", db.key]));
});
after(() => vault[Symbol.asyncDispose]());

async function ls(...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await vault.run(["ls", ...args]);
  assert.equal(exit, 0, stderr);
  assert.equal(stderr, "");
  return stdout.toString("utf8");
}

test("ls shows each host and set with its newest, fits 80 columns, and lets no host drive the terminal", async () => {
  const text = await ls();
  assert.match(text, /^web1\/postgres: 12 objects, /m);
  assert.match(text, /^ {2}and 2 older: airlock ls web1\/postgres$/m);
  assert.match(text, /^web1\/nginx \(foreign\): 1 object, 3 B$/m);
  assert.match(text, /^ {2}2026-11-21 02:15:04 +\d+ B +812ms {2}verified {3}\\u\{1b\}\[31m\\u\{a\}/m);
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
  for (const line of text.split("\n")) assert.ok(widthOf(line) <= 80, line);
});

test("ls of a set shows all of it, newest first, each object once from its first record", async () => {
  const rows = (await ls("web1/postgres")).split("\n").filter((line) => line.includes("verified"));
  assert.equal(rows.length, 12);
  const times = rows.map((row) => row.trim().slice(0, 19));
  assert.deepEqual(times, times.toSorted().toReversed());
  assert.equal(times.at(-1), "2026-11-21 03:15:04");
});

test("ls --at shows what was there then, the object of that very time included", async () => {
  const text = await ls("web1/postgres", "--at", "2026-11-21 05:15:04");
  assert.match(text, /^web1\/postgres: 3 objects/);
  assert.match(await ls("web1", "--at", "2026-11-20"), /holds nothing of it/);
});

test("ls --json is one value a line, for every object that is meant", async () => {
  const lines = (await ls("web1", "--json")).trimEnd().split("\n");
  const values = lines.map((line): unknown => JSON.parse(line));
  assert.equal(values.length, 13);
  // by set, of each the newest first
  const last = values.at(-1);
  assert.ok(typeof last === "object" && last !== null && "statement" in last && "hostKey" in last && "at" in last);
  assert.deepEqual([last.statement, last.hostKey, last.at], ["verified", web.key.public.id, dumps[0]?.entry.at]);
});

test("ls refuses what is no host and no time, as a mistake of usage", async () => {
  for (const args of [["Web1"], ["../x"], ["--at", "yesterday"], ["--at", "2026-02-30"]]) {
    const { exit, stderr } = await vault.run(["ls", ...args]);
    assert.equal(exit, 2, stderr);
  }
});

test("ls with a damaged ledger lists what is proven, says so, and exits 5", async () => {
  await vault.configure(new Map(), new Map());
  const empty = await vault.run(["ls"]);
  assert.equal(empty.exit, 2);
  await vault.configure(keysOf(["mover-a", createHost("x").key]), keysOf(["web1", web.key]));
  const { exit, stdout, stderr } = await vault.run(["ls"]);
  assert.equal(exit, 5);
  assert.match(stdout.toString("utf8"), /holds nothing/);
  assert.match(stderr, /segment 1 of mover mover-a: no key that is listed for this mover signed it/);
});
