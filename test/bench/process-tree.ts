/**
 * Memory and CPU time of a process and all that it started, as the operating system counts them. Linux only.
 * https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html and proc_pid_status.5.html
 */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, the unit of times in /proc/PID/stat: 100 on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;

export interface TreeUse {
  /** The most that all processes together were seen to hold at one time. */
  readonly peakResidentBytes: number;
  /** User and system time of all of them, ended ones included. */
  readonly cpuSeconds: number;
}

export interface TreeWatch extends Disposable {
  /** As last seen: at most one interval old when the process has ended. */
  readonly use: TreeUse;
}

/** Looks at once and then again every `intervalMs`, until disposed of. */
export function watchProcessTree(pid: number, intervalMs = 100): TreeWatch {
  requireLinux(process.platform);
  let use: TreeUse = { peakResidentBytes: 0, cpuSeconds: 0 };
  const look = (): void => {
    const seen = lookAtTree(pid);
    // time is counted by whoever lives or was waited for, so it only falls when a process ends unseen
    use = {
      peakResidentBytes: Math.max(use.peakResidentBytes, seen.peakResidentBytes),
      cpuSeconds: Math.max(use.cpuSeconds, seen.cpuSeconds),
    };
  };
  look();
  const timer = setInterval(look, intervalMs);
  return {
    get use() {
      return use;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

export function requireLinux(platform: NodeJS.Platform): void {
  if (platform === "linux") return;
  throw new Error(
    `memory and CPU time of processes are read from /proc, which ${platform} does not have: run this on Linux`,
  );
}

function lookAtTree(root: number): TreeUse {
  let residentBytes = 0;
  let highestBytes = 0;
  let cpuSeconds = 0;
  const pids = [root];
  for (const pid of pids) {
    const status = readIfThere(`/proc/${pid}/status`);
    const stat = readIfThere(`/proc/${pid}/stat`);
    if (status === null || stat === null) continue;
    residentBytes += readKilobytes(status, "VmRSS");
    highestBytes = Math.max(highestBytes, readKilobytes(status, "VmHWM"));
    cpuSeconds += readCpuTicks(stat) / TICKS_PER_SECOND;
    pids.push(...childrenOf(pid));
  }
  // the kernel's own high-water mark misses nothing between two looks, but knows one process only
  return { peakResidentBytes: Math.max(residentBytes, highestBytes), cpuSeconds };
}

/** A child belongs to the thread that started it. */
function childrenOf(pid: number): number[] {
  return listIfThere(`/proc/${pid}/task`).flatMap((thread) =>
    (readIfThere(`/proc/${pid}/task/${thread}/children`) ?? "")
      .split(" ")
      .flatMap((child) => (child === "" ? [] : Number(child))),
  );
}

/** 0 where the line is missing, as in a process that has ended and was not waited for. */
function readKilobytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
}

/** Fields 14 to 17: user and system time, its own and that of the children that it waited for. */
function readCpuTicks(stat: string): number {
  // the second field, the name in parentheses, may hold anything; the third follows the last parenthesis
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function listIfThere(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** ESRCH: the process ended while its file was being read. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");
}
