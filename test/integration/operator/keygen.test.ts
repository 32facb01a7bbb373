import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { identityToRecipient } from "age-encryption";
import { parseIdentities } from "../../../operator/identity.ts";
import { runAirlock } from "./vault-server.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "airlock-keygen-"));
});
after(() => rm(folder, { recursive: true }));

test("keygen prints an identity that decrypts what is encrypted to its recipient", async () => {
  for (const flags of [[], ["--pq"]]) {
    const { exit, stdout } = await runAirlock(["keygen", ...flags], folder);
    assert.equal(exit, 0);
    const [identity = ""] = parseIdentities(stdout.toString("utf8"), "stdout");
    assert.ok(stdout.includes(`# public key: ${await identityToRecipient(identity)}\n`));
  }
});

test("keygen --out writes the identity to a file of its owner's, and only the recipient to standard output", async () => {
  const file = join(folder, "identity.txt");
  const { exit, stdout } = await runAirlock(["keygen", "--out", file], folder);
  assert.equal(exit, 0);
  const [identity = ""] = parseIdentities(await readFile(file, "utf8"), file);
  assert.equal(stdout.toString("utf8"), `${await identityToRecipient(identity)}\n`);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("keygen never overwrites a file", async () => {
  const file = join(folder, "precious");
  await writeFile(file, "mine");
  const { exit, stdout } = await runAirlock(["keygen", "--json", "--out", file], folder);
  assert.equal(exit, 2);
  assert.match(stdout.toString("utf8"), /"code":"target-exists"/);
  assert.equal(await readFile(file, "utf8"), "mine");
});
