/**
 * What is stored can be had back without Airlock: another S3 client, age, zstd, tar and sha256sum. Needs
 * `npm run servers:install`; says what is missing and fails where it is.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { compareTrees } from "../demo/compare-trees.ts";
import { TOOLS } from "../servers/tools.ts";
import { startWorld, VAULT, type World } from "../support/world.ts";

const run = promisify(execFile);

async function requireTools(): Promise<void> {
  const needed = [
    [TOOLS.age, "--version"],
    [TOOLS.ageKeygen, "--version"],
    [TOOLS.s3cmd, "--version"],
    ["zstd", "--version"],
    ["tar", "--version"],
    ["sha256sum", "--version"],
  ] as const;
  for (const [program, ...args] of needed) {
    await run(program, args).catch((cause: unknown) => {
      throw new Error(`${program} is missing: run npm run servers:install`, { cause });
    });
  }
}

/** Downloads one object with s3cmd, as the operator. */
async function fetchObject(world: World, name: string, to: string): Promise<void> {
  const id = await readFile(join(world.dir, "operator.id"), "utf8");
  const secret = await readFile(join(world.dir, "operator.secret"), "utf8");
  const { host } = new URL(world.server.endpoint);
  const config = join(world.dir, "s3cfg");
  await writeFile(
    config,
    `[default]\naccess_key = ${id}\nsecret_key = ${secret}\nhost_base = ${host}\nhost_bucket = ${host}\nuse_https = False\nbucket_location = ${world.server.region}\nsignature_v2 = False\n`,
    { mode: 0o600 },
  );
  await run(TOOLS.s3cmd, ["--config", config, "--no-progress", "get", `s3://${VAULT}/${name}`, to]);
}

for (const kind of ["x25519", "post-quantum"] as const) {
  test(`a folder comes back with s3cmd, sha256sum, age, zstd and tar alone (${kind})`, async (t) => {
    await requireTools();
    const folder = await mkdtemp(join(tmpdir(), "airlock-interop-"));
    t.after(() => rm(folder, { recursive: true }));
    const identityFile = join(folder, "identity.txt");
    await run(TOOLS.ageKeygen, [...(kind === "post-quantum" ? ["-pq"] : []), "-o", identityFile]);
    const { stdout: recipient } = await run(TOOLS.ageKeygen, ["-y", identityFile]);
    await using world = await startWorld({ recipient: recipient.trim() });
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
    await run("bash", [
      "-o",
      "pipefail",
      "-c",
      'cd "$1" && "$2" -d -i "$3" "$4" | zstd -d | tar -x',
      "-",
      target,
      TOOLS.age,
      identityFile,
      stored,
    ]);
    await compareTrees(original, join(target, original.slice(1)));
    const { stdout: mode } = await run("stat", ["-c", "%a %N", join(target, original.slice(1), "small")]);
    assert.match(mode, /^741 /);
  });
}
