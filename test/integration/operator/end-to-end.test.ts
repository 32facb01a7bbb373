import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startWorld, type Ran, type World } from "../../support/world.ts";
import { generateAgeKeyPair, type AgeKeyPair } from "../../../operator/keygen.ts";

let world: World;
let pair: AgeKeyPair;
const dump = randomBytes(40 * 1024 * 1024);
const NOTE = "hello ".repeat(20);

/** The uploader, the mover and the operator as programs, each with its own role's key. */
before(async () => {
  pair = await generateAgeKeyPair(false);
  world = await startWorld({ recipient: pair.recipient, hostOptions: "foreign: true" });
  const folder = join(world.dir, "backup");
  await mkdir(join(folder, "etc"), { recursive: true });
  await writeFile(join(folder, "etc/passwd"), "root:x:0:0", { mode: 0o640 });
  await symlink("passwd", join(folder, "etc/link"));
  await writeFile(join(folder, "shop.dump"), dump);
  await ran(world.run("uploader", ["put", join(folder, "shop.dump"), "--set", "postgres"]));
  await ran(world.run("uploader", ["put", join(folder, "etc"), "--set", "etc"]));
  await ran(world.run("uploader", ["put", "-", "--set", "notes", "--name", "note.txt"], { stdin: NOTE }));
  await ran(world.run("mover", ["run", "--once"]));
  assert.deepEqual(await world.listDropZone(), []);
});
after(() => world[Symbol.asyncDispose]());

async function ran(running: Promise<Ran>): Promise<string> {
  const { exit, stdout, stderr } = await running;
  assert.equal(exit, 0, stderr);
  return stdout;
}

function restore(what: string, ...args: string[]): Promise<string> {
  return ran(world.run("operator", ["restore", what, "--identity", "-", ...args], { stdin: pair.identity }));
}

test("what hosts put and the mover moved is listed, each signed by its host", async () => {
  const lines = (await ran(world.run("operator", ["ls", "--json"]))).trimEnd().split("\n");
  const listed = lines.map(
    (line) => JSON.parse(line) as { set: string; statement: string; encoding: string[]; exposureMs: number },
  );
  assert.deepEqual(
    listed
      .map(({ set, statement, encoding }) => ({ set, statement, encoding }))
      .toSorted((a, b) => (a.set < b.set ? -1 : 1)),
    [
      { set: "etc", statement: "verified", encoding: ["tar", "zstd", "age"] },
      { set: "notes", statement: "verified", encoding: ["zstd", "age"] },
      { set: "postgres", statement: "verified", encoding: ["age"] }, // noise is not compressed
    ],
  );
  for (const { exposureMs } of listed) assert.ok(exposureMs >= 0);
});

test("a large file, a folder and what came over a pipe are restored as they were", async () => {
  const to = join(world.dir, "restored");
  await restore("web1/postgres", "--to", to);
  assert.ok(dump.equals(await readFile(join(to, "shop.dump"))));
  await restore("web1/etc", "--to", to);
  const list = (folder: string): string[] =>
    execFileSync("find", [".", "-printf", "%p %m %y %l %T@\n"], { cwd: folder, encoding: "utf8" })
      .split("\n")
      .toSorted();
  const original = join(world.dir, "backup/etc");
  assert.deepEqual(list(join(to, original)), list(original));
  assert.equal(await restore("web1/notes", "--to", "-"), NOTE);
});

test("verify reads all of it and finds nothing", async () => {
  const stdout = await ran(world.run("operator", ["verify", "--read", "--json"]));
  assert.partialDeepStrictEqual(JSON.parse(stdout) as object, {
    type: "summary",
    findings: 0,
    objects: 3,
    unsigned: 0,
  });
});
