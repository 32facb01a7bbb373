/** What is deployed, built once for all parts of a run. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";

const BUILD_TIMEOUT_MS = 600_000;

export interface Built {
  readonly executables: string;
  readonly packages: string;
}

/** Where `npm run build` and `npm run deb` leave them. */
const folder = join(root, "dist");
let built: Promise<Built> | null = null;

export function buildAll(): Promise<Built> {
  built ??= build(folder);
  return built;
}

async function build(into: string): Promise<Built> {
  await mkdir(into, { recursive: true });
  const [executables, packages] = [join(into, "bin"), join(into, "deb")];
  await runProgram(process.execPath, [join(root, "scripts/build.ts"), executables], { timeoutMs: BUILD_TIMEOUT_MS });
  const deb = [join(root, "scripts/deb.ts"), packages, "--from", executables];
  await runProgram(process.execPath, deb, { timeoutMs: BUILD_TIMEOUT_MS });
  return { executables, packages };
}
