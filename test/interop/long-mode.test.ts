/** The longest window that can be configured is one that zstd reads without being told to. Needs zstd. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { canRun } from "../servers/run-program.ts";
import { startWorld } from "../support/world.ts";

test("what is compressed in long mode is read by a plain zstd -d, and by restore", async () => {
  if (!(await canRun("zstd", ["--version"]))) throw new Error("zstd is missing: run npm run servers:install");
  await using world = await startWorld();
  await appendFile(world.uploaderConfig("web1"), "compress: { zstd: { level: 3, long: 27 } }\n");
  // Repeats itself at 50 MB, several times as far back as level 3 looks.
  const half = randomBytes(25_000_000).toString("hex");
  const bytes = Buffer.from(half + half);
  const path = join(world.dir, "dump.sql");
  await writeFile(path, bytes);
  for (const [role, ...args] of [
    ["uploader", "put", path, "--set", "sql"],
    ["mover", "run", "--once"],
    ["operator", "restore", "web1/sql", "--to", join(world.dir, "restored")],
  ] as const) {
    const { exit, stderr } = await world.run(role, args);
    assert.equal(exit, 0, stderr);
  }
  assert.ok(bytes.equals(await readFile(join(world.dir, "restored", "dump.sql"))));
  const [object] = await world.listVault();
  assert.ok(object !== undefined && object.key.endsWith("/dump.sql.zst"));
  const stored = await world.readVault(object.key);
  assert.ok(stored.length < 0.6 * half.length, "the second half is found to be the first");
  const decompressed = execFileSync("zstd", ["-d"], { input: stored, maxBuffer: 2 * bytes.length });
  assert.ok(bytes.equals(decompressed));
});
