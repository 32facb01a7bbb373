/** The package that is published, installed as npm installs it and run by the oldest Node that it says it runs on. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../shared/version.ts";
import { installFolder } from "../servers/cache.ts";
import { exists } from "../servers/install-programs.ts";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";
import type { Claim, Part } from "./claim.ts";

const OLDEST_NODE = "24.12.0";
const nodeFolder = installFolder("node", OLDEST_NODE);
const node = join(nodeFolder, "node_modules", `node-linux-${process.arch}`, "bin", "node");

export const npmPackage: Part = {
  name: "npm-package",
  async install() {
    if (await exists(node)) return;
    await mkdir(nodeFolder, { recursive: true });
    const wanted = `node-linux-${process.arch}@${OLDEST_NODE}`;
    await runProgram("npm", ["install", "--no-save", "--prefix", nodeFolder, wanted], { timeoutMs: 300_000 });
  },
  async open(stack): Promise<readonly Claim[]> {
    const folder = await mkdtemp(join(tmpdir(), "airlock-package-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const [dist, installed] = [join(folder, "dist"), join(folder, "installed")];
    const modules = join(installed, "node_modules");
    return [
      {
        claim: "the package says which Node it needs, and installs from its tarball",
        provedBy: "npm",
        async prove() {
          await runProgram(process.execPath, [join(root, "scripts/build-package.ts"), dist], { timeoutMs: 120_000 });
          const manifest = JSON.parse(await readFile(join(dist, "package.json"), "utf8")) as {
            readonly engines: unknown;
          }; // what the script writes
          assert.deepEqual(manifest.engines, { node: ">=24.12" });
          const packed = await runProgram("npm", ["pack", "--pack-destination", folder, dist]);
          const tarball = join(folder, packed.trim().split("\n").at(-1) ?? "");
          await mkdir(installed);
          await runProgram("npm", ["install", "--prefix", installed, tarball], { timeoutMs: 180_000 });
          return tarball.slice(folder.length + 1);
        },
      },
      {
        claim: `its three programs run on Node ${OLDEST_NODE}`,
        provedBy: "node",
        async prove() {
          assert.equal(await runProgram(node, ["--version"]), `v${OLDEST_NODE}\n`);
          for (const program of ["airlock", "airlock-mover", "airlock-uploader"]) {
            const file = join(modules, ".bin", program);
            assert.equal(await runProgram(node, [file, "--version"]), `${VERSION}\n`, program);
            assert.match(await runProgram(node, [file, "--help"]), /Commands:/, program);
          }
          const identity = await runProgram(node, [join(modules, ".bin", "airlock"), "keygen"]);
          assert.match(identity, /^AGE-SECRET-KEY-1/m);
          return `--version, --help, keygen`;
        },
      },
    ];
  },
};
