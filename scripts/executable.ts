/**
 * A program as one executable: the Node that everything is tested on, with the bundle in it. The same bytes from the same
 * checkout, wherever and whenever.
 * @see https://nodejs.org/api/single-executable-applications.html
 */
import { execFile } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Role } from "./roles.ts";

const run = promisify(execFile);

/** V8 hashes by chance otherwise, and its code cache would differ from build to build. Of no effect on what runs later. */
const FIXED_SEED = "--random-seed=1";

export async function buildExecutable(role: Role, code: string, path: string, scratch: string): Promise<void> {
  const work = await mkdtemp(join(scratch, `${role.program}-`));
  try {
    await writeFile(join(work, "main.cjs"), code);
    const config = {
      main: "main.cjs",
      output: role.program,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      execArgv: role.nodeOptions,
      // NODE_OPTIONS and the like: whoever sets a service's environment shall not run code of his in it
      execArgvExtension: "none",
    };
    await writeFile(join(work, "sea.json"), JSON.stringify(config));
    // V8 takes a code cache only with the options that it was made with
    const args = [...role.nodeOptions, FIXED_SEED, "--build-sea", "sea.json"];
    await run(process.execPath, args, { cwd: work, timeout: 120_000 });
    await rename(join(work, role.program), path);
  } finally {
    await rm(work, { recursive: true });
  }
}
