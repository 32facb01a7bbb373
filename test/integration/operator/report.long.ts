import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generateSigningKey } from "../../../shared/keys.ts";
import { createHost, createLedger, keysOf } from "../../unit/operator/fixture.ts";
import { DRILL } from "../../unit/operator/report/source.ts";
import { startVaultServer, type VaultServer } from "./vault-server.ts";

let vault: VaultServer;
const web = createHost("web1");
const mover = createLedger("mover-a");
const at = Date.now() - 3_600_000;

before(async () => {
  vault = await startVaultServer();
  const { entry } = web.next({ at });
  const findings = [{ code: "forked", host: "web1", detail: "<img src=x onerror=alert(1)>" }];
  mover.append([
    entry,
    web.next({ at: at + 60_000 }).entry,
    {
      ...entry,
      disposition: "finding",
      vault: null,
      source: null,
      sha256: null,
      statement: null,
      signature: null,
      hostKey: null,
      findings,
    },
  ]);
  await vault.putLedger(mover);
});
after(() => vault[Symbol.asyncDispose]());

test("report writes one page of what the ledger and the last drill say, and replaces it", async () => {
  await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key]));
  const drills = join(vault.folder, "drills");
  await mkdir(drills);
  await writeFile(join(drills, "drill-20261122T030000000Z.json"), JSON.stringify(DRILL));
  const file = join(vault.folder, "report.html");
  await writeFile(file, "before");
  const { exit, stdout, stderr } = await vault.run(["report", "--out", file, "--drills", drills, "--json"]);
  assert.equal(exit, 0, stderr);
  const page = await readFile(file, "utf8");
  assert.equal((JSON.parse(stdout.toString("utf8")) as { size: number }).size, Buffer.byteLength(page)); // our own output
  for (const text of ["web1/postgres", "✓ verified", "Statements: 2 verified", "&lt;img src=x", "✓ Passed"]) {
    assert.ok(page.includes(text), text);
  }
});

test("a ledger that nobody vouches for is named on the page, and by exit 5", async () => {
  await vault.configure(keysOf(["mover-a", generateSigningKey()]), keysOf(["web1", web.key]));
  const file = join(vault.folder, "damaged.html");
  const { exit, stdout } = await vault.run(["report", "--out", file]);
  assert.equal(exit, 5);
  assert.match(stdout.toString("utf8"), /The ledger does not verify/);
  assert.match(await readFile(file, "utf8"), /The ledger does not verify/);
});

test("what is no number of days is refused", async () => {
  const { exit, stderr } = await vault.run(["report", "--out", join(vault.folder, "x.html"), "--days", "soon"]);
  assert.equal(exit, 2);
  assert.match(stderr, /--days soon/);
});
