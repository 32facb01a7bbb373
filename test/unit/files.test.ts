import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AirlockError, isAirlockError } from "../../shared/errors.ts";
import { createFile, makeFolder, readSecretFile, replaceFile } from "../../shared/files.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "airlock-files-"));
});
after(() => rm(folder, { recursive: true }));

async function secretFile(name: string, mode: number): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, "secret\n");
  await chmod(file, mode);
  return file;
}

test("a secret that only its owner has is read", async () => {
  for (const mode of [0o600, 0o400]) assert.equal(await readSecretFile(await secretFile(`${mode}`, mode)), "secret\n");
});

test("a secret that others have access to is refused, with what to do", async () => {
  for (const mode of [0o640, 0o604, 0o620, 0o601, 0o660, 0o666, 0o777]) {
    const file = await secretFile(`open-${mode}`, mode);
    await assert.rejects(readSecretFile(file), (error) => {
      assert.ok(error instanceof AirlockError);
      assert.equal(error.code, "key-file");
      assert.equal(error.subject, file);
      assert.equal(error.remedy, `chmod 600 ${file}`);
      assert.ok(error.message.includes(`mode 0${mode.toString(8)}`), error.message);
      assert.doesNotMatch(error.message, /secret\n/);
      return true;
    });
  }
});

test("the mode that counts is that of the file, not of a link to it", async () => {
  const link = join(folder, "link");
  await symlink(await secretFile("linked", 0o644), link);
  await assert.rejects(readSecretFile(link), (error) => isAirlockError(error, "key-file"));
});

test("what is no secret file is refused at once: none, a folder, a pipe, a large file", async () => {
  await mkdir(join(folder, "folder"), { mode: 0o700 });
  execFileSync("mkfifo", ["-m", "600", join(folder, "pipe")]);
  await writeFile(join(folder, "large"), Buffer.alloc(65_537), { mode: 0o600 });
  for (const [name, message] of [
    ["absent", /there is no such file/],
    ["folder", /it is not a file/],
    ["pipe", /it is not a file/],
    ["large", /larger than 64 KiB/],
  ] as const) {
    await assert.rejects(readSecretFile(join(folder, name)), (error) => {
      return isAirlockError(error, "key-file") && message.test(error.message);
    });
  }
});

test("a file is replaced whole, with its mode, and nothing else is left", async () => {
  const inside = await mkdtemp(join(folder, "replace-"));
  const file = join(inside, "status.json");
  await replaceFile(file, "old", { mode: 0o600 });
  await replaceFile(file, Buffer.from("new"), { mode: 0o644 });
  assert.equal(await readFile(file, "utf8"), "new");
  assert.equal((await stat(file)).mode & 0o777, 0o644);
  assert.deepEqual(await readdir(inside), ["status.json"]);
});

test("readers of a file that is replaced find one content or the other, whole", async () => {
  const file = join(folder, "torn");
  const contents = ["a".repeat(100_000), "b".repeat(100_000)];
  await replaceFile(file, contents[0] ?? "", { mode: 0o600 });
  const state = { done: false };
  const writing = (async () => {
    for (let turn = 0; turn < 50; turn += 1) await replaceFile(file, contents[turn % 2] ?? "", { mode: 0o600 });
    state.done = true;
  })();
  let reads = 0;
  while (!state.done) {
    assert.ok(contents.includes(await readFile(file, "utf8")));
    reads += 1;
  }
  await writing;
  assert.ok(reads > 0);
});

test("a file that is there is not created again", async () => {
  const inside = await mkdtemp(join(folder, "create-"));
  const file = join(inside, "host.key");
  await createFile(file, "first", { mode: 0o600 });
  await assert.rejects(createFile(file, "second", { mode: 0o600 }), (error) => {
    return isAirlockError(error, "target-exists") && error.subject === file;
  });
  assert.equal(await readFile(file, "utf8"), "first");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(inside), ["host.key"]);
});

test("of many that create one file, one succeeds", async () => {
  const file = join(folder, "raced");
  const outcomes = await Promise.allSettled(
    Array.from({ length: 16 }, (_, index) => createFile(file, String(index), { mode: 0o600 })),
  );
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
});

test("what fails leaves neither a half file nor the old one changed", async () => {
  const inside = await mkdtemp(join(folder, "fail-"));
  await mkdir(join(inside, "taken"));
  await writeFile(join(inside, "taken", "x"), "");
  await assert.rejects(replaceFile(join(inside, "taken"), "new", { mode: 0o600 }));
  await assert.rejects(replaceFile(join(inside, "absent", "file"), "new", { mode: 0o600 }));
  assert.deepEqual(await readdir(inside), ["taken"]);
});

test("a folder is made with what is missing above it, for its owner alone; one that is there stays as it is", async () => {
  const inner = join(folder, "new", "newer", "newest");
  makeFolder(inner);
  for (const made of [inner, join(folder, "new")]) assert.equal((await stat(made)).mode & 0o777, 0o700);
  await chmod(inner, 0o755);
  makeFolder(inner);
  assert.equal((await stat(inner)).mode & 0o777, 0o755);
});

test("a folder that can't be made is told at once: in a file, in a file's place, and where the system takes none", async () => {
  const file = await secretFile("in-the-way", 0o600);
  assert.throws(() => makeFolder(join(file, "inner", "most")), { code: "ENOTDIR" });
  assert.throws(() => makeFolder(file), { code: "EEXIST" });
  assert.throws(() => makeFolder("/proc/airlock/state"), { code: "ENOENT" });
});
