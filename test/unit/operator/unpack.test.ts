import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createTemporaryFile, createTemporaryFolder, placeFile, placeFolderContents } from "../../../operator/place.ts";
import { requireGnuTar, unpackTar } from "../../../operator/unpack.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { makeTar, type Member } from "./make-tar.ts";

let base: string;
let into: string;
const signal = AbortSignal.timeout(60_000);
const options = { env: process.env, signal, devices: false, only: [] };

before(async () => {
  base = await mkdtemp(join(tmpdir(), "airlock-unpack-"));
});
after(() => rm(base, { recursive: true }));
beforeEach(async () => {
  await rm(join(base, "outside"), { recursive: true, force: true });
  await mkdir(join(base, "outside"));
  await writeFile(join(base, "outside", "victim"), "mine");
  into = await mkdtemp(join(base, "into-"));
});

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

const unpack = async (members: readonly Member[]): Promise<readonly string[]> =>
  (await unpackTar(onePiece(makeTar(members)), into, options)).remarks;

/** Nothing outside the folder came to be or changed. */
async function assertContained(): Promise<void> {
  assert.deepEqual(await readdir(join(base, "outside")), ["victim"]);
  assert.equal(await readFile(join(base, "outside", "victim"), "utf8"), "mine");
  assert.deepEqual(
    (await readdir(base)).filter((name) => !name.startsWith("into-")),
    ["outside"],
  );
}

test("what is in an archive comes out of it", async () => {
  await unpack([
    { name: "d", type: "5", mode: 0o750 },
    { name: "d/file", content: "text", mode: 0o640 },
    { name: "d/link", type: "2", link: "file" },
    { name: "d/same", type: "1", link: "d/file" },
  ]);
  assert.equal(await readFile(join(into, "d/file"), "utf8"), "text");
  assert.equal((await lstat(join(into, "d/file"))).mode & 0o777, 0o640);
  assert.equal(await readlink(join(into, "d/link")), "file");
  assert.equal((await lstat(join(into, "d/same"))).nlink, 2);
});

const outside = (): string => join(base, "outside");
for (const [what, members] of [
  ["a member that leads up", () => [{ name: "../outside/new", content: "evil" }]],
  ["a member that leads up from below", () => [{ name: "d/../../outside/new", content: "evil" }]],
  [
    "a link out and a member through it",
    () => [
      { name: "l", type: "2", link: "../outside" },
      { name: "l/new", content: "evil" },
    ],
  ],
  [
    "an absolute link and a member through it",
    () => [
      { name: "l", type: "2", link: outside() },
      { name: "l/victim", content: "evil" },
    ],
  ],
  [
    "links that lead out together",
    () => [
      { name: "a", type: "2", link: "." },
      { name: "a/b", type: "2", link: ".." },
      { name: "a/b/outside/new", content: "evil" },
    ],
  ],
  [
    "a hard link to what is outside, and then its content",
    () => [
      { name: "h", type: "1", link: "../outside/victim" },
      { name: "h", content: "evil" },
    ],
  ],
  [
    "an absolute hard link, and then its content",
    () => [
      { name: "h", type: "1", link: join(outside(), "victim") },
      { name: "h", content: "evil" },
    ],
  ],
] as const satisfies readonly (readonly [string, () => readonly Member[]])[]) {
  test(`${what} is refused, and nothing outside is touched`, async () => {
    await assert.rejects(unpack(members()), (error) => isAirlockError(error, "command-failed"));
    await assertContained();
  });
}

for (const [what, members] of [
  ["an absolute member", () => [{ name: join(outside(), "victim"), content: "evil" }]],
  [
    "a link out that a file of the same name follows",
    () => [
      { name: "s", type: "2", link: "../outside/victim" },
      { name: "s", content: "evil" },
    ],
  ],
] as const satisfies readonly (readonly [string, () => readonly Member[]])[]) {
  test(`${what} stays inside`, async () => {
    await unpack(members());
    await assertContained();
  });
}

test("what undoes tar's care in the environment does not count", async () => {
  const env = { ...process.env, TAR_OPTIONS: "--absolute-names" };
  await unpackTar(onePiece(makeTar([{ name: join(outside(), "new"), content: "evil" }])), into, { ...options, env });
  await assertContained();
});

test("an archive without its end is refused", async () => {
  const whole = makeTar([{ name: "a", content: "x".repeat(600) }]);
  await assert.rejects(unpackTar(onePiece(whole.subarray(0, 1000)), into, options), (error) =>
    isAirlockError(error, "command-failed"),
  );
});

test("an error of the archive's stream is the one that is told", async () => {
  async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
    yield makeTar([{ name: "a", content: "x" }]).subarray(0, 600);
    throw new RangeError("chunk 2 does not decrypt");
  }
  await assert.rejects(unpackTar(broken(), into, options), /chunk 2 does not decrypt/);
});

test("an abort kills tar and ends the unpacking", async () => {
  const abort = new AbortController();
  async function* stuck(): AsyncGenerator<Uint8Array, void, undefined> {
    yield makeTar([{ name: "a", content: "x" }]).subarray(0, 600);
    const aborted = once(abort.signal, "abort");
    abort.abort(new RangeError("enough"));
    await aborted;
    for (;;) {
      yield Buffer.alloc(65_536);
      await setImmediate();
    }
  }
  await assert.rejects(unpackTar(stuck(), into, { ...options, signal: abort.signal }), /enough/);
});

test("a machine without tar, and one with another tar, are told so", async () => {
  const bin = join(into, "bin");
  await mkdir(bin);
  await assert.rejects(
    requireGnuTar({ env: { PATH: bin }, signal }),
    (error) => isAirlockError(error, "command-failed") && error.message.startsWith("tar could not be run"),
  );
  await writeFile(join(bin, "tar"), "#!/bin/sh\necho bsdtar 3.7.7\n");
  await chmod(join(bin, "tar"), 0o755);
  await assert.rejects(requireGnuTar({ env: { PATH: `${bin}${delimiter}/bin` }, signal }), /not GNU tar/);
  await requireGnuTar(options);
});

test("owners are given back by number, whatever this machine calls them, and only by root", async () => {
  assert.deepEqual(await unpack([{ name: "f", owner: { uid: 4242, name: "daemon" } }]), []);
  const own = process.getuid?.();
  assert.equal((await lstat(join(into, "f"))).uid, own === 0 ? 4242 : own);
});

test("what tar says of an archive that it unpacks all the same is handed on", async () => {
  const said = await unpack([{ name: "/absolute", content: "x" }]);
  assert.match(said.join("\n"), /Removing leading `\/' from member names/);
});

test("a name that is not UTF-8 stays as it is", async () => {
  const [from, to] = [join(into, "from"), join(into, "to")];
  const name = Buffer.from([0x62, 0xff, 0xfe]);
  await mkdir(from);
  await mkdir(to);
  await writeFile(Buffer.concat([Buffer.from(`${from}/`), name]), "x");
  await placeFolderContents(from, to);
  assert.deepEqual(await readdir(to, { encoding: "buffer" }), [name]);
});

test("contents are moved whole or not at all, and over nothing", async () => {
  const to = join(into, "to");
  await mkdir(to);
  {
    await using fresh = await createTemporaryFolder(to);
    await writeFile(join(fresh.path, "a"), "new");
    await writeFile(join(fresh.path, "b"), "new");
    await symlink("/nowhere", join(to, "b"));
    await assert.rejects(placeFolderContents(fresh.path, to), (error) => isAirlockError(error, "target-exists"));
  }
  assert.deepEqual(await readdir(to), ["b"]);
  await rm(join(to, "b"));
  {
    await using fresh = await createTemporaryFolder(to);
    await writeFile(join(fresh.path, "a"), "new");
    await mkdir(join(fresh.path, "readonly"), { mode: 0o555 });
    await chmod(fresh.path, 0o500);
    assert.deepEqual((await placeFolderContents(fresh.path, to)).toSorted(), ["a", "readonly"]);
  }
  assert.deepEqual((await readdir(to)).toSorted(), ["a", "readonly"]);
  assert.equal((await lstat(join(to, "readonly"))).mode & 0o777, 0o555);
});

test("a file gets its name only when it is placed, and never somebody else's", async () => {
  const path = join(into, "final");
  {
    await using file = await createTemporaryFile(into);
    await file.append(Buffer.from("one, "));
    await file.append(Buffer.from("two"));
    assert.ok(!existsSync(path));
    await placeFile(file, path);
    assert.equal(await readFile(path, "utf8"), "one, two");
    assert.equal((await lstat(path)).mode & 0o777, 0o600);
  }
  await using second = await createTemporaryFile(into);
  await assert.rejects(placeFile(second, path), (error) => isAirlockError(error, "target-exists"));
  assert.equal(await readFile(path, "utf8"), "one, two");
});
