/** The ways in which servers and tools come onto the machine. Each says whether it had to do anything. */
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { canRun, runProgram } from "./run-program.ts";
import { Missing } from "./server.ts";

const INSTALL_TIMEOUT_MS = 900_000;
/** Written last into a virtual environment. */
const COMPLETE = "complete";

/** Builds a program from its source with Go, at exactly this version, into `path`. */
export async function installGoProgram(packagePath: string, version: string, path: string): Promise<string> {
  if (await exists(path)) return `${path}: already there`;
  if (!(await canRun("go", ["version"]))) {
    throw new Missing(`${packagePath} is built from source and needs Go: install Go 1.24 or newer`);
  }
  await mkdir(dirname(path), { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder(), "go-"));
  try {
    const env = { ...process.env, GOBIN: scratch };
    await runProgram("go", ["install", `${packagePath}@${version}`], { env, timeoutMs: INSTALL_TIMEOUT_MS });
    await rename(join(scratch, packagePath.slice(packagePath.lastIndexOf("/") + 1)), path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return `${path}: built`;
}

/** Installs a Python package, its dependencies pinned, into a virtual environment of its own. */
export async function installPythonPackage(
  name: string,
  version: string,
  folder: string,
  module: string,
): Promise<string> {
  if (await isPythonPackageInstalled(folder)) return `${folder}: already there`;
  if (!(await canRun("python3", ["--version"]))) {
    throw new Missing(`${name} needs Python: install python3 (3.11 is what it is pinned for)`);
  }
  await rm(folder, { recursive: true, force: true });
  await makeVirtualEnvironment(folder);
  const python = join(folder, "bin", "python");
  const constraints = join(import.meta.dirname, "python-constraints.txt");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints];
  await runProgram(python, [...pip, `${name}==${version}`], { timeoutMs: INSTALL_TIMEOUT_MS });
  await runProgram(python, ["-c", `import ${module}`]);
  await writeFile(join(folder, COMPLETE), `${name}==${version}\n`);
  return `${folder}: installed`;
}

export function isPythonPackageInstalled(folder: string): Promise<boolean> {
  return exists(join(folder, COMPLETE));
}

/** Debian splits `ensurepip` off into python3-venv; where that is missing, virtualenv does the same from pip. */
async function makeVirtualEnvironment(folder: string): Promise<void> {
  if (await canRun("python3", ["-c", "import venv, ensurepip"])) {
    await runProgram("python3", ["-m", "venv", folder], { timeoutMs: INSTALL_TIMEOUT_MS });
    return;
  }
  if (!(await canRun("python3", ["-m", "virtualenv", "--version"]))) {
    const target = join(cacheFolder(), "installed", "virtualenv");
    if (!(await canRun("python3", ["-m", "pip", "--version"]))) {
      throw new Missing("python3 has neither venv, virtualenv nor pip: install python3-venv");
    }
    const pip = ["-m", "pip", "install", "--quiet", "--target", target, "virtualenv==20.17.1"];
    await runProgram("python3", pip, { timeoutMs: INSTALL_TIMEOUT_MS });
    const env = { ...process.env, PYTHONPATH: target };
    await runProgram("python3", ["-m", "virtualenv", folder], { env, timeoutMs: INSTALL_TIMEOUT_MS });
    return;
  }
  await runProgram("python3", ["-m", "virtualenv", folder], { timeoutMs: INSTALL_TIMEOUT_MS });
}

/** Installs what is missing of a list of Debian packages, as root or through a sudo that asks for no password. */
export async function installDebianPackages(packages: readonly string[]): Promise<string> {
  const missing = [];
  for (const name of packages) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return `${packages.join(", ")}: already there`;

  const wanted = `the Debian packages ${missing.join(", ")}`;
  if (!(await canRun("apt-get", ["--version"]))) throw new Missing(`${wanted} are needed and there is no apt-get here`);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !(await canRun("sudo", ["--non-interactive", "true"]))) {
    throw new Missing(`${wanted} are needed: run "apt-get install ${missing.join(" ")}" as root`);
  }
  const apt = async (...args: string[]): Promise<void> => {
    const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes", ...args];
    const [program = "", ...rest] = isRoot ? command : ["sudo", "--non-interactive", ...command];
    await runProgram(program, rest, { timeoutMs: INSTALL_TIMEOUT_MS });
  };
  if (!(await canRun("apt-cache", ["show", ...missing]))) await apt("update");
  await apt("install", "--no-install-recommends", ...missing);
  return `${missing.join(", ")}: installed`;
}

/**
 * Unpacks Debian packages into a folder of their own: for programs whose package would change the system they run on.
 * @param packages by name, or the beginning of one that the first package depends on
 */
export async function unpackDebianPackages(packages: readonly [string, ...string[]], folder: string): Promise<string> {
  if (await exists(folder)) return `${folder}: already there`;
  const [first, ...others] = packages;
  if (!(await canRun("apt-get", ["--version"])))
    throw new Missing(`${first} is unpacked from Debian's package and there is no apt-get here`);
  if (!(await canRun("apt-cache", ["show", first]))) {
    throw new Missing(`${first} is not among the packages that apt knows: run "apt-get update" as root`);
  }
  const depends = await runProgram("apt-cache", ["depends", "--important", first]);
  const names = Array.from(depends.matchAll(/Depends: ([a-z0-9.+-]+)/g), ([, name = ""]) => name);
  const wanted = [first, ...others.map((start) => names.find((name) => name.startsWith(start)) ?? start)];
  await mkdir(dirname(folder), { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder(), "deb-"));
  try {
    await runProgram("apt-get", ["--quiet", "download", ...wanted], { cwd: scratch, timeoutMs: INSTALL_TIMEOUT_MS });
    const unpacked = join(scratch, "unpacked");
    const files = (await readdir(scratch)).filter((name) => name.endsWith(".deb"));
    for (const file of files) await runProgram("dpkg-deb", ["--extract", join(scratch, file), unpacked]);
    await rename(unpacked, folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return `${folder}: unpacked`;
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    return (await runProgram("dpkg-query", ["--show", "--showformat=${db:Status-Abbrev}", name])).startsWith("ii");
  } catch {
    // dpkg-query exits 1 for a package it has never heard of.
    return false;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
