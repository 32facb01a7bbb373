/** A clean Debian, made once by debootstrap and copied for each use; booted by systemd-nspawn, on this machine's network. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder, installFolder } from "../servers/cache.ts";
import { exists, installDebianPackages } from "../servers/install-programs.ts";
import { until } from "../servers/processes.ts";
import { runProgram } from "../servers/run-program.ts";
import { Missing } from "../servers/server.ts";

const SUITE = "bookworm";
/** Beyond the smallest Debian: an init, and what the packages under test depend on. */
const PACKAGES = "systemd,systemd-sysv,dbus,libatomic1,libstdc++6";
const pristine = installFolder("debian-root", SUITE);

export interface Machine extends AsyncDisposable {
  /** Its files, as this machine sees them. */
  readonly folder: string;
  /** Runs a command in it as root; an exit other than 0 throws. */
  run(command: string, ...args: readonly string[]): Promise<string>;
}

export async function installDebianRoot(): Promise<void> {
  await installDebianPackages(["debootstrap", "systemd-container", "util-linux"]);
  if (await exists(pristine)) return;
  if (process.getuid?.() !== 0) throw new Missing("a clean Debian is made by debootstrap, which needs root");
  const scratch = await mkdtemp(join(cacheFolder(), "debian-"));
  try {
    const made = join(scratch, "root");
    const args = ["--variant=minbase", `--include=${PACKAGES}`, SUITE, made, await mirror()];
    await runProgram("debootstrap", args, { timeoutMs: 900_000 });
    await runProgram("chroot", [made, "apt-get", "clean"]);
    await rename(made, pristine);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The one that this machine's own apt uses. */
async function mirror(): Promise<string> {
  const sites = await runProgram("apt-get", ["indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"]);
  const site = sites.split("\n").find((line) => line.endsWith(` ${SUITE}`));
  if (site === undefined) throw new Missing(`apt has no source of Debian ${SUITE} here`);
  return site.slice(0, site.indexOf(" "));
}

/** Boots a copy; its systemd runs until the machine is disposed of. */
export async function bootMachine(): Promise<Machine> {
  const scratch = await mkdtemp(join(cacheFolder(), "machine-"));
  const folder = join(scratch, "root");
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(scratch, { recursive: true, force: true }));
  await runProgram("cp", ["-a", "--reflink=auto", pristine, folder]);
  const options = ["--quiet", "--register=no", "--keep-unit", "--console=pipe", "-D", folder, "--boot"];
  const nspawn = spawn("systemd-nspawn", options, { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [nspawn.stdout, nspawn.stderr]) {
    stream.on("data", (chunk: Buffer) => (printed = `${printed}${chunk.toString()}`.slice(-2_000)));
  }
  const ended = once(nspawn, "close");
  stack.defer(async () => {
    nspawn.kill("SIGTERM"); // an orderly shutdown
    const timer = setTimeout(() => nspawn.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(timer);
  });
  let leader = "";
  const enter = (args: readonly string[]): Promise<string> =>
    runProgram("nsenter", ["--target", leader, "--all", "--", ...args], { timeoutMs: 120_000, env: GUEST_ENV });
  const isUp = await until(async () => {
    if (nspawn.exitCode !== null) throw new Missing(`systemd can't be booted in a container here: ${printed}`);
    leader = await childOf(nspawn.pid);
    if (leader === "") return false;
    return /running|degraded/.test(await enter(["systemctl", "is-system-running"]).catch(String));
  }, 60_000);
  if (!isUp) throw new Missing(`systemd did not come up in a container here: ${printed}`);
  const owned = stack.move();
  return {
    folder,
    run: (command, ...args) => enter([command, ...args]),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const GUEST_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LANG: "C.UTF-8" };

async function childOf(pid: number | undefined): Promise<string> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return children.trim().split(" ")[0] ?? "";
}
