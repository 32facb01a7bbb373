/**
 * What is stored can be had back without Airlock: another S3 client, age, zstd, tar and sha256sum. Needs
 * `npm run servers:install`; says what is missing and fails where it is.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../demo/compare-trees.ts";
import { TOOLS } from "../servers/tools.ts";
import { startWorld } from "../support/world.ts";
import { fetchObject, makeIdentity, requirePrograms, RESTORE_PROGRAMS, run, runPipeline } from "./support.ts";

for (const kind of ["x25519", "post-quantum"] as const) {
  test(`a folder comes back with s3cmd, sha256sum, age, zstd and tar alone (${kind})`, async (t) => {
    await requirePrograms(...RESTORE_PROGRAMS);
    const folder = await mkdtemp(join(tmpdir(), "airlock-interop-"));
    t.after(() => rm(folder, { recursive: true }));
    const identity = await makeIdentity(folder, kind === "post-quantum" ? ["-pq"] : []);
    await using world = await startWorld({ recipient: identity.recipient });
    const original = join(world.dir, "original");
    await mkdir(join(original, "deep", "er"), { recursive: true });
    await writeFile(join(original, "small"), "hello\n");
    await writeFile(join(original, "empty"), "");
    await writeFile(join(original, "deep", "er", 'naïve "name" 日本'), randomBytes(200_000));
    await writeFile(join(original, "large"), randomBytes(20_000_000)); // crosses in parts
    await chmod(join(original, "small"), 0o741);
    await symlink("small", join(original, "link"));

    const put = await world.run("uploader", ["--json", "put", original, "--set", "tree"]);
    assert.equal(put.exit, 0, put.stderr);
    const moved = await world.run("mover", ["run", "--once"]);
    assert.equal(moved.exit, 0, moved.stderr);
    const [object, ...others] = await world.listVault();
    assert.ok(object !== undefined && others.length === 0);

    const stored = join(world.dir, "fetched.tar.zst.age");
    await fetchObject(world, object.key, stored);
    const { sha256 } = JSON.parse(put.stdout) as { sha256: string }; // what put prints
    assert.equal((await run("sha256sum", [stored])).stdout.split(" ")[0], sha256);
    const target = join(world.dir, "target");
    await mkdir(target);
    const restore = 'cd "$1" && "$2" -d -i "$3" "$4" | zstd -d | tar -x';
    await runPipeline(restore, target, TOOLS.age, identity.file, stored);
    await compareTrees(original, join(target, original.slice(1)));
    const { stdout: mode } = await run("stat", ["-c", "%a %N", join(target, original.slice(1), "small")]);
    assert.match(mode, /^741 /);
  });
}
