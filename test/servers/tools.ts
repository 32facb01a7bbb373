/**
 * Other people's programs that the interoperability tests use: age, zstd, tar and sha256sum to restore without
 * Airlock, s3cmd as a second S3 client, rsync, setfattr and setfacl to make and to compare folders; and what the recipes
 * are tried with: databases without the packages that would start a service where that can be had, git, logrotate, aws, rclone;
 * poppler and zbar to read printed pages.
 */
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { installFolder } from "./cache.ts";
import {
  installDebianPackages,
  installGoProgram,
  exists,
  installPythonPackage,
  unpackDebianPackages,
} from "./install-programs.ts";
import { canRun } from "./run-program.ts";

const AGE_VERSION = "v1.3.2";
const S3CMD_VERSION = "2.4.0";
const age = installFolder("age", AGE_VERSION);
const s3cmd = installFolder("s3cmd", S3CMD_VERSION);

/** Its package would bring Debian's newest systemd along. */
const journalRemote = installFolder("systemd-journal-remote", "debian");

/** Paths to run; all others are the system's. */
export const TOOLS = {
  age: join(age, "age"),
  ageKeygen: join(age, "age-keygen"),
  s3cmd: join(s3cmd, "bin", "s3cmd"),
  /** With {@link JOURNAL_LIBRARIES} in LD_LIBRARY_PATH. */
  journalRemote: join(journalRemote, "usr/lib/systemd/systemd-journal-remote"),
} as const;

export const JOURNAL_LIBRARIES = join(journalRemote, "libraries");

/** By program: what one system has in a package of its own, another has in its base. */
export const TOOL_INSTALLERS: ReadonlyMap<string, () => Promise<string>> = new Map([
  ["age", () => installGoProgram("filippo.io/age/cmd/age", AGE_VERSION, TOOLS.age)],
  ["age-keygen", () => installGoProgram("filippo.io/age/cmd/age-keygen", AGE_VERSION, TOOLS.ageKeygen)],
  ["s3cmd", () => installPythonPackage("s3cmd", S3CMD_VERSION, s3cmd, "S3")],
  ["zstd", () => installSystemProgram("zstd", "zstd")],
  ["tar", () => installSystemProgram("tar", "tar")],
  ["sha256sum", () => installSystemProgram("sha256sum", "coreutils")],
  ["rsync", () => installSystemProgram("rsync", "rsync")],
  ["setfattr", () => installSystemProgram("setfattr", "attr")],
  ["setfacl", () => installSystemProgram("setfacl", "acl")],
  ["postgresql", () => installDebianPackages(["postgresql"])],
  ["mariadb", () => installDebianPackages(["mariadb-server-core", "mariadb-client"])],
  ["redis", () => installDebianPackages(["redis-tools"])],
  ["sqlite3", () => installSystemProgram("sqlite3", "sqlite3")],
  ["git", () => installSystemProgram("git", "git")],
  ["logrotate", () => installSystemProgram("logrotate", "logrotate")],
  ["systemd-journal-remote", installJournalRemote],
  ["pdftotext", () => installSystemProgram("pdftotext", "poppler-utils", "-v")],
  ["zbarimg", () => installSystemProgram("zbarimg", "zbar-tools")],
  ["aws", () => installSystemProgram("aws", "awscli")],
  ["chromium", () => installSystemProgram("chromium", "chromium")],
  ["rclone", () => installSystemProgram("rclone", "rclone")],
]);

async function installSystemProgram(program: string, debianPackage: string, harmless = "--version"): Promise<string> {
  if (await canRun(program, [harmless])) return "already there";
  return installDebianPackages([debianPackage]);
}

/** Where Debian's packages put things differs by release and architecture. */
async function installJournalRemote(): Promise<string> {
  const packages = ["systemd-journal-remote", "libsystemd-shared", "libmicrohttpd"] as const;
  const done = await unpackDebianPackages(packages, journalRemote);
  await mkdir(JOURNAL_LIBRARIES, { recursive: true });
  await mkdir(dirname(TOOLS.journalRemote), { recursive: true });
  for (const path of await readdir(journalRemote, { recursive: true })) {
    const name = basename(path);
    const to = name === "systemd-journal-remote" ? TOOLS.journalRemote : join(JOURNAL_LIBRARIES, name);
    const isWanted = /\.so(\.|$)/.test(name) || path.endsWith("lib/systemd/systemd-journal-remote");
    if (isWanted && !(await exists(to))) await copyFile(join(journalRemote, path), to);
  }
  return done;
}
