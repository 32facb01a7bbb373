/** What the interoperability tests share: other people's programs, and the way back without Airlock. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { TOOLS } from "../servers/tools.ts";
import { VAULT, type World } from "../support/world.ts";

export const run = promisify(execFile);

/** Fails with what to do when one of them is not there; each with arguments that let it start. */
export async function requirePrograms(
  ...needed: readonly (readonly [program: string, ...args: string[]])[]
): Promise<void> {
  for (const [program, ...args] of needed) {
    await run(program, args).catch((cause: unknown) => {
      throw new Error(`${program} is missing: run npm run servers:install`, { cause });
    });
  }
}

/** What any restore without Airlock takes. */
export const RESTORE_PROGRAMS = [
  [TOOLS.age, "--version"],
  [TOOLS.ageKeygen, "--version"],
  [TOOLS.s3cmd, "--version"],
  ["zstd", "--version"],
  ["tar", "--version"],
  ["sha256sum", "--version"],
] as const;

export interface AgeIdentity {
  readonly file: string;
  readonly recipient: string;
}

/** Made by age-keygen, in that folder. */
export async function makeIdentity(folder: string, options: readonly string[] = []): Promise<AgeIdentity> {
  const file = join(folder, "identity.txt");
  await run(TOOLS.ageKeygen, [...options, "-o", file]);
  const { stdout } = await run(TOOLS.ageKeygen, ["-y", file]);
  return { file, recipient: stdout.trim() };
}

/** Downloads one object of the vault with s3cmd, as the operator. */
export async function fetchObject(world: World, name: string, to: string): Promise<void> {
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

/** A pipeline as a person would type it; `$1`, `$2`, … are its arguments. Fails when any of its programs does. */
export async function runPipeline(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("bash", ["-o", "pipefail", "-c", script, "-", ...args], { maxBuffer: 1 << 28 });
  return stdout;
}

/** For programs that refuse to run as root: the ids to run them with, none where this is not root. */
export async function unprivileged(): Promise<{ readonly uid?: number; readonly gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (what) => Number((await run("id", [what, "nobody"])).stdout)),
  );
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}
