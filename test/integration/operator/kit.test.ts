import assert from "node:assert/strict";
import { readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { identityToWords } from "../../../operator/identity-words.ts";
import { formatIdentityFile, generateAgeKeyPair } from "../../../operator/keygen.ts";
import { splitIdentity } from "../../../operator/kit.ts";
import type { KitOptions } from "../../../operator/kit-command.ts";
import type { AirlockError } from "../../../shared/errors.ts";
import { kitHere } from "../../support/run-here.ts";
import { startWorld, type Ran, type World } from "../../support/world.ts";

const stack = new AsyncDisposableStack();
let world: World;
let identityFile = "";
const { identity, recipient } = await generateAgeKeyPair(false);

before(async () => {
  world = stack.use(await startWorld({ recipient, hosts: ["web1", "web2"] }));
  identityFile = join(world.dir, "identity.txt");
  await writeFile(identityFile, formatIdentityFile({ identity, recipient }, new Date()), { mode: 0o600 });
  const source = join(world.dir, "notes");
  await writeFile(source, "precious\n");
  succeed(await world.run("uploader", ["put", source, "--set", "files"]));
  succeed(await world.run("mover", ["run", "--once"]));
});
after(() => stack.disposeAsync());

function succeed({ exit, stdout, stderr }: Ran): string {
  assert.equal(exit, 0, stderr);
  return stdout;
}

/** Made and verified in this process, as a program of its own takes a second to start. */
async function fail(options: KitOptions, stdin: string | null = null): Promise<AirlockError> {
  const { error } = await kitHere(world, options, stdin);
  assert.ok(error !== null, "it went well");
  return error;
}

async function print(options: KitOptions, stdin: string | null = null): Promise<Readonly<Record<string, unknown>>> {
  const { exit, error, printed } = await kitHere(world, options, stdin);
  assert.equal(error, null);
  assert.equal(exit, 0);
  return printed[0] as Readonly<Record<string, unknown>>; // what the command prints under --json
}

test("a kit is for its owner alone, says what the identity opens, and repeats no secret", async () => {
  const file = join(world.dir, "kit.pdf");
  const { exit, stdout, stderr } = await world.run("operator", ["kit", "--out", file, "--identity", identityFile]);
  assert.equal(exit, 0, stderr);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await readFile(file)).subarray(0, 5).toString(), "%PDF-");
  assert.match(stdout, /^ {2}opens {8}the newest of web1\/files$/m);
  assert.match(stdout, new RegExp(`^  recipient    ${recipient}`, "m"));
  const secret = await readFile(join(world.dir, "operator.secret"), "utf8");
  for (const text of [stdout, stderr]) assert.ok(!text.includes(identity) && !text.includes(secret));
});

test("a kit never takes another file's place, and nothing is left of one that was not made", async () => {
  const out = join(world.dir, "mine.pdf");
  await writeFile(out, "mine");
  assert.equal((await fail({ out, identity: identityFile })).code, "target-exists");
  assert.equal(await readFile(out, "utf8"), "mine");
  await rm(out);
  assert.equal((await fail({ out, identity: "-" }, "no identity\n")).code, "key-file");
  assert.deepEqual(
    (await readdir(world.dir)).filter((name) => name.includes("mine")),
    [],
  );
});

test("an identity that opens nothing of the vault is told of when the kit is made", async () => {
  const other = await generateAgeKeyPair(false);
  const made = await print({ out: join(world.dir, "other.pdf"), identity: "-" }, `${other.identity}\n`);
  assert.deepEqual([made["opens"], made["opensNot"]], [[], ["web1/files"]]);
});

test("a kit can be made without the vault, and without the key", async () => {
  const made = await print({
    out: join(world.dir, "offline.pdf"),
    identity: identityFile,
    offline: true,
    withoutKey: true,
  });
  assert.deepEqual([made["accessKeyId"], made["heads"], made["recipient"]], [null, null, recipient]);
});

test("kit --verify accepts the line and the words by what the vault holds, and by a recipient without it", async () => {
  for (const typed of [`${identity}\n`, identityToWords(identity).join("\n")]) {
    const byVault = await print({ verify: true, identity: "-" }, typed);
    assert.deepEqual([byVault["recipient"], byVault["opens"]], [recipient, ["web1/files"]]);
    const alone = await print({ verify: true, identity: "-", recipient }, typed);
    assert.deepEqual([alone["recipient"], alone["opens"]], [recipient, undefined]);
  }
});

test("kit --verify names the place of a slip, and another identity as that", async () => {
  const { prefix } = splitIdentity(identity);
  const index = prefix.length + 17;
  const slip = identity.slice(0, index) + (identity[index] === "Q" ? "P" : "Q") + identity.slice(index + 1);
  const typed = await fail({ verify: true, identity: "-" }, slip);
  assert.equal(typed.code, "key-file");
  assert.equal(typed.message, "group 5: its 2nd character is not the printed one");
  const other = await generateAgeKeyPair(false);
  assert.equal((await fail({ verify: true, identity: "-" }, other.identity)).code, "decrypt-failed");
});

test("kit says what is missing or too much on its command line", async () => {
  const out = join(world.dir, "unmade.pdf");
  for (const options of [
    {},
    { out, verify: true },
    { out, recipient },
    { verify: true, offline: true },
    { verify: true, recipient: "age1x" },
    { out },
  ] satisfies readonly KitOptions[]) {
    assert.equal((await fail(options)).code, "usage", JSON.stringify(options));
  }
  const two = `${identity}\n${(await generateAgeKeyPair(false)).identity}\n`;
  assert.match((await fail({ out, identity: "-", offline: true }, two)).message, /2 identities, and a kit is for one/);
});
