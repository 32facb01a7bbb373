/**
 * Other people's programs that the interoperability tests use: age, zstd, tar and sha256sum to restore without
 * Airlock, s3cmd as a second S3 client.
 */
import { join } from "node:path";
import { installFolder } from "./cache.ts";
import { installDebianPackages, installGoProgram, installPythonPackage } from "./install-programs.ts";
import { canRun } from "./run-program.ts";

const AGE_VERSION = "v1.3.2";
const S3CMD_VERSION = "2.4.0";
const age = installFolder("age", AGE_VERSION);
const s3cmd = installFolder("s3cmd", S3CMD_VERSION);

/** Paths to run; `zstd`, `tar` and `sha256sum` are the system's. */
export const TOOLS = {
  age: join(age, "age"),
  ageKeygen: join(age, "age-keygen"),
  s3cmd: join(s3cmd, "bin", "s3cmd"),
} as const;

export async function installTools(): Promise<string[]> {
  const done = [
    await installGoProgram("filippo.io/age/cmd/age", AGE_VERSION, TOOLS.age),
    await installGoProgram("filippo.io/age/cmd/age-keygen", AGE_VERSION, TOOLS.ageKeygen),
    await installPythonPackage("s3cmd", S3CMD_VERSION, s3cmd, "S3"),
  ];
  // By program, since tar and sha256sum come from different packages on different systems.
  const packages = new Map([
    ["zstd", "zstd"],
    ["tar", "tar"],
    ["sha256sum", "coreutils"],
  ]);
  for (const [program, name] of packages) {
    if (await canRun(program, ["--version"])) done.push(`${program}: already there`);
    else done.push(await installDebianPackages([name]));
  }
  return done;
}
