/**
 * `npm run build [-- FOLDER]`: airlock-uploader, airlock-mover and airlock as single executables, each with its bill of
 * materials (CycloneDX), and SHA256SUMS, in `dist/bin`.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { completeBom } from "./bom.ts";
import { bundleRole } from "./bundle.ts";
import { buildExecutable } from "./executable.ts";
import { ROLES, ROOT } from "./roles.ts";

const folder = resolve(process.argv[2] ?? join(ROOT, "dist", "bin"));
await requirePinnedNode();
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const scratch = await mkdtemp(join(dirname(folder), ".build-"));
try {
  for (const role of ROLES) {
    const { code, bom } = await bundleRole(role, scratch);
    await buildExecutable(role, code, join(folder, role.program), scratch);
    await writeFile(join(folder, `${role.program}.cdx.json`), await completeBom(bom, role.program, process.versions));
  }
} finally {
  await rm(scratch, { recursive: true });
}
const files = ROLES.flatMap(({ program }) => [program, `${program}.cdx.json`]);
const sums = await Promise.all(files.map(async (name) => `${await sha256Of(join(folder, name))}  ${name}\n`));
await writeFile(join(folder, "SHA256SUMS"), sums.join(""));
process.stdout.write(sums.join(""));

/** It becomes part of what is built. */
async function requirePinnedNode(): Promise<void> {
  const { devDependencies } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    readonly devDependencies: { readonly node: string };
  }; // our own
  if (process.version === `v${devDependencies.node}`) return;
  throw new Error(`this is Node ${process.version}, and ${devDependencies.node} is to be built in: use npm run build`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
