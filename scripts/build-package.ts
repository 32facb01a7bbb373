/**
 * Makes the package that is published: compiled JavaScript, for Node 24.12 or newer, and nothing of the tests.
 *
 *     npm run package [-- FOLDER]      then: npm pack FOLDER (dist/npm)
 */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, "dist", "npm"));

rmSync(folder, { recursive: true, force: true });
const compiler = join(root, "node_modules", ".bin", "tsc");
execFileSync(compiler, ["-p", join(root, "tsconfig.package.json"), "--outDir", folder], { stdio: "inherit" });

const { bin, name, version, description, license, type, dependencies } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
) as Manifest; // our own
const compiledBin = Object.fromEntries(
  Object.entries(bin).map(([command, file]) => [command, file.replace(/\.ts$/, ".js")]),
);
const manifest = {
  name,
  version,
  description,
  license,
  type,
  engines: { node: ">=24.12" },
  bin: compiledBin,
  dependencies,
};
writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
for (const file of Object.values(compiledBin)) chmodSync(join(folder, file), 0o755);
for (const file of ["README.md", "LICENSE", "deploy", "docs"])
  cpSync(join(root, file), join(folder, file), { recursive: true });
