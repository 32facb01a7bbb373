import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { VERSION } from "../../../shared/version.ts";
import { root } from "../../support/world.ts";

const run = promisify(execFile);

test("the published package is compiled JavaScript whose three programs run, and says which Node it needs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-package-"));
  try {
    await run(process.execPath, [join(root, "scripts/build-package.ts"), folder]);
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
      readonly engines: unknown;
      readonly bin: Readonly<Record<string, string>>;
    }; // what the script writes
    assert.deepEqual(manifest.engines, { node: ">=24.12" });
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    assert.deepEqual(Object.keys(manifest.bin).toSorted(), ["airlock", "airlock-mover", "airlock-uploader"]);
    for (const file of Object.values(manifest.bin)) {
      assert.match(file, /\.js$/);
      assert.equal((await run(process.execPath, [join(folder, file), "--version"])).stdout, `${VERSION}\n`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
