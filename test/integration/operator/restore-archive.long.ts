import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { EncodingStep } from "../../../shared/statement.ts";
import { startRestoreBench } from "./restore-bench.ts";

const STEPS: readonly EncodingStep[] = ["tar", "zstd", "age"];
const bench = await startRestoreBench();
after(() => bench[Symbol.asyncDispose]());
const { identityFile, target, store, encode, restore } = bench;

const source = await target();
await mkdir(join(source, "etc/nginx/sites"), { recursive: true });
await writeFile(join(source, "etc/passwd"), "root");
await writeFile(join(source, "etc/passwd.old"), "old");
await writeFile(join(source, "etc/nginx/nginx.conf"), "http {}");
await writeFile(join(source, "etc/nginx/sites/shop"), "server {}");
await writeFile(join(source, "etc/[odd]*\n"), "odd");
const archive = execFileSync("tar", ["-c", "-C", source, "etc"]);
await store({ set: "etc", name: "etc.tar.zst.age", encoding: STEPS, bytes: await encode(archive, STEPS) });

test("--only restores single members and whole folders, and nothing that only begins alike", async () => {
  const to = await target();
  const ran = await restore(
    "etc",
    to,
    "--identity",
    identityFile,
    "--only",
    "/etc/passwd",
    "--only",
    "etc/nginx/sites/",
    "--json",
  );
  assert.equal(ran.exit, 0, ran.stderr);
  assert.deepEqual((await readdir(to, { recursive: true })).toSorted(), [
    "etc",
    "etc/nginx",
    "etc/nginx/sites",
    "etc/nginx/sites/shop",
    "etc/passwd",
  ]);
  assert.equal(await readFile(join(to, "etc/passwd"), "utf8"), "root");
  assert.equal((JSON.parse(ran.stdout.toString()) as { files: number }).files, 2);
});

test("--only takes names as they are: no patterns; one that is not there is said, and nothing is restored", async () => {
  const to = await target();
  const odd = await restore("etc", to, "--identity", identityFile, "--only", "etc/[odd]*\n");
  assert.equal(odd.exit, 0, odd.stderr);
  assert.deepEqual(await readdir(join(to, "etc")), ["[odd]*\n"]);
  const none = await target();
  const missing = await restore("etc", none, "--identity", identityFile, "--only", "etc/passwd", "--only", "etc/pass*");
  assert.equal(missing.exit, 2);
  assert.match(missing.stderr, /does not have all of etc\/passwd, etc\/pass\*/);
  assert.deepEqual(await readdir(none), []);
});

test("--list names members, each on its line, and restores nothing", async () => {
  const to = await target();
  const ran = await restore("etc", to, "--identity", identityFile, "--list");
  assert.equal(ran.exit, 0, ran.stderr);
  const lines = ran.stdout.toString().trimEnd().split("\n");
  assert.equal(lines.length, 8);
  assert.ok(
    lines.some((line) => /^-rw\S+ \d+\/\d+ +7 \d{4}-\d\d-\d\d .* etc\/nginx\/nginx\.conf$/.test(line)),
    lines.join("\n"),
  );
  assert.ok(lines.some((line) => line.endsWith(" etc/[odd]*\\n")));
  const json = await restore("etc", to, "--identity", identityFile, "--list", "--json");
  const names = json.stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { name: string }).name);
  assert.deepEqual(names.toSorted().slice(0, 3), ["etc/", "etc/[odd]*\\n", "etc/nginx/"]);
  assert.equal(names.length, 8);
  assert.deepEqual(await readdir(to), []);
});

test("what has no members is told so before anything is read", async () => {
  await store({ set: "dump", bytes: Buffer.from("x") });
  for (const [args, says] of [
    [["--only", "a"], /no archive, so --only/],
    [["--list"], /no archive, so there are no members/],
    [["--only", "/"], /names no member/],
    [["--max-size", "big"], /not a size/],
    [["--raw", "--list"], /--raw leaves the archive as it is/],
  ] as const) {
    const ran = await restore("dump", await target(), ...args);
    assert.equal(ran.exit, 2, ran.stderr);
    assert.match(ran.stderr, says);
  }
});

test("what grows beyond the limit is refused with the flag that allows it", async () => {
  const zeros = Buffer.alloc(3_000_000);
  await store({ set: "zeros", name: "z.zst", encoding: ["zstd"], bytes: await encode(zeros, ["zstd"]) });
  const to = await target();
  const refused = await restore("zeros", to, "--max-size", "2MB");
  assert.equal(refused.exit, 5);
  assert.match(refused.stderr, /grows to more than 1\.9 MiB from [\d.]+ B stored/);
  assert.match(refused.stderr, /--max-size/);
  assert.deepEqual(await readdir(to), []);
  assert.equal((await restore("zeros", to, "--max-size", "3MB")).exit, 0);
  assert.deepEqual(await readdir(to), ["z"]);
});
