/**
 * `npm run deb [-- FOLDER] [--from EXECUTABLES] [--only PROGRAM]`: a Debian package of each program, from the executables that `npm run build` left in
 * `dist/bin`, in `dist/deb`. The same executables give the same packages, byte for byte.
 */
import { execFile } from "node:child_process";
import { access, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { VERSION } from "../shared/version.ts";
import { commandLineOf } from "./command-lines.ts";
import { bashCompletion, zshCompletion } from "./completions.ts";
import { manPage } from "./man-page.ts";
import { ROLES, ROOT, type Role } from "./roles.ts";
import { OPERATIONS_PAGE, readTable } from "./write-code-table.ts";

const run = promisify(execFile);
const DEBIAN = join(ROOT, "deploy", "debian");
const UNITS = join(ROOT, "deploy", "systemd");

interface Package {
  readonly description: string;
  readonly depends: readonly string[];
  readonly files: readonly string[];
  readonly units: readonly string[];
  /** Folders of `deploy/` that are in the documentation's folder, by their names there. */
  readonly alongside: Readonly<Record<string, string>>;
}

/** What Node is linked with, and no more of it than Debian 12 has. */
const NODE_DEPENDS = ["libatomic1", "libc6 (>= 2.28)", "libgcc-s1", "libstdc++6 (>= 12)"];

const PACKAGES: Readonly<Record<Role["folder"], Package>> = {
  uploader: {
    description: `backup airlock for S3, on a host that is backed up
 Pushes backups into a drop-zone with a key that can create objects and do
 nothing else: not read, list, overwrite or delete, its own included.`,
    depends: [...NODE_DEPENDS, "systemd"],
    files: [
      "/etc/airlock/uploader.yaml",
      "/etc/airlock/host.key",
      "/root/.aws/credentials",
      "/var/lib/airlock-uploader",
    ],
    units: ["airlock-uploader.service", "airlock-set@.service", "airlock-set@.timer"],
    alongside: {},
  },
  mover: {
    description: `backup airlock for S3, on the vault box
 Carries each backup from the drop-zone into a second account, proves that it
 arrived, records that it did, and only then removes it from the first.`,
    depends: [...NODE_DEPENDS, "systemd"],
    files: ["/etc/airlock/mover.yaml", "/etc/airlock/mover.key", "/root/.aws/credentials", "/var/lib/airlock-mover"],
    units: ["airlock-mover.service"],
    alongside: { firewall: "nftables" },
  },
  operator: {
    description: `backup airlock for S3, for the one who restores
 Lists, verifies and restores what an Airlock vault holds.`,
    depends: NODE_DEPENDS,
    files: ["~/.config/airlock/operator.yaml"],
    units: [],
    alongside: { iam: "iam" },
  },
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { from: { type: "string" }, only: { type: "string" } },
});
const folder = resolve(positionals[0] ?? join(ROOT, "dist", "deb"));
const executables = resolve(values.from ?? join(ROOT, "dist", "bin"));
process.umask(0o022);
await mkdir(dirname(folder), { recursive: true });
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
for (const role of ROLES) {
  if (values.only === undefined || values.only === role.program) console.log(await buildPackage(role));
}

async function buildPackage(role: Role): Promise<string> {
  const stage = await mkdtemp(join(dirname(folder), ".deb-"));
  try {
    const changelog = (await readFile(join(DEBIAN, "changelog"), "utf8")).replaceAll("@PACKAGE@", role.program);
    await stageFiles(role, stage, changelog);
    await stageControl(role, stage);
    const file = join(folder, `${role.program}_${VERSION}_${architecture()}.deb`);
    const args = ["--root-owner-group", "-Zgzip", "-z6", "--build", stage, file];
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(dateOf(changelog) / 1000) };
    await run("dpkg-deb", args, { env, timeout: 300_000 });
    return file;
  } finally {
    await rm(stage, { recursive: true });
  }
}

async function stageFiles(role: Role, stage: string, changelog: string): Promise<void> {
  const { program } = role;
  const { units, files, alongside } = PACKAGES[role.folder];
  const line = commandLineOf(role);
  const put = (path: string, content: string | Uint8Array): Promise<void> => putFile(join(stage, path), content);
  const copy = async (from: string, path: string): Promise<void> => put(path, await readFile(from));
  const exits = readTable(await readFile(OPERATIONS_PAGE, "utf8"), "exit");
  const doc = `usr/share/doc/${program}`;

  const executable = join(executables, program);
  await mkdir(join(stage, "usr/bin"), { recursive: true });
  await cp(executable, join(stage, "usr/bin", program)).catch((cause: unknown) => {
    throw new Error(`there is no ${executable}: run npm run build first`, { cause });
  });
  await chmod(join(stage, "usr/bin", program), 0o755);
  await copy(`${executable}.cdx.json`, `${doc}/${program}.cdx.json`);
  await put(`usr/share/man/man1/${program}.1.gz`, compress(manPage(line, files, exits)));
  await put(`usr/share/bash-completion/completions/${program}`, bashCompletion(line));
  await put(`usr/share/zsh/vendor-completions/_${program}`, zshCompletion(line));
  await copy(join(DEBIAN, "copyright"), `${doc}/copyright`);
  await put(`${doc}/changelog.gz`, compress(changelog));
  await copy(join(ROOT, "deploy", `${role.folder}.yaml`), `${doc}/examples/${role.folder}.yaml`);
  for (const page of (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md"))) {
    await copy(join(ROOT, "docs", page), `${doc}/${page}`);
  }
  for (const [name, source] of Object.entries(alongside)) {
    const from = join(ROOT, "deploy", source);
    for (const file of await readdir(from)) await copy(join(from, file), `${doc}/${name}/${file}`);
  }
  for (const unit of units) await copy(join(UNITS, unit), `usr/lib/systemd/system/${unit}`);
  const places = {
    sysusers: `usr/lib/sysusers.d/${program}.conf`,
    tmpfiles: `usr/lib/tmpfiles.d/${program}.conf`,
    default: `etc/default/${program}`,
  };
  await copy(join(DEBIAN, "overrides"), `usr/share/lintian/overrides/${program}`);
  for (const [kind, place] of Object.entries(places)) {
    const source = join(DEBIAN, `${program}.${kind}`);
    if (await isThere(source)) await copy(source, place);
  }
}

async function stageControl(role: Role, stage: string): Promise<void> {
  const { program } = role;
  const { depends, description } = PACKAGES[role.folder];
  const control = `Package: ${program}
Version: ${VERSION}
Architecture: ${architecture()}
Maintainer: Airlock <airlock@example.org>
Section: admin
Priority: optional
Depends: ${depends.join(", ")}
Description: ${description}
`;
  await putFile(join(stage, "DEBIAN/control"), control);
  if (await isThere(join(stage, "etc"))) {
    await putFile(join(stage, "DEBIAN/conffiles"), `/etc/default/${program}\n`);
  }
  for (const script of ["postinst", "prerm", "postrm"]) {
    const source = join(DEBIAN, `${program}.${script}`);
    if (!(await isThere(source))) continue;
    await putFile(join(stage, "DEBIAN", script), await readFile(source));
    await chmod(join(stage, "DEBIAN", script), 0o755);
  }
}

/** Modes as they are to be, whatever this process's umask is. */
async function putFile(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, 0o644);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** As `gzip -9n`: without name or time. */
function compress(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

/** The last entry's: the time of all files of the package. */
function dateOf(changelog: string): number {
  const [, date = ""] = /^ -- .*> {2}(.*)$/m.exec(changelog) ?? [];
  return Date.parse(date);
}

function architecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}
