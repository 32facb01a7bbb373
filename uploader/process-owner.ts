import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { errorCode } from "../shared/files.ts";

/** States of a process that is a zombie, or about to be gone; see proc(5). */
const ENDED: ReadonlySet<string> = new Set(["Z", "X", "x"]);

/** It has ended, or is another user's and not shown. */
const UNSEEN: ReadonlySet<string> = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

/**
 * Names one running process so that a later one can tell whether it is still there: a bare process id is soon
 * another's. Its start time is field 22 of /proc/<pid>/stat, in clock ticks since boot; see proc(5).
 */
export function ownerOf(pid: number): string {
  const stat = readStat(pid);
  return `${readBootId()}:${pid}:${(stat === null ? null : startTicks(stat)) ?? "gone"}`;
}

/** False only when that process has definitely ended. */
export function isOwnerAlive(owner: string): boolean {
  const [boot, pid, ticks] = owner.split(":");
  if (boot !== readBootId()) return false;
  const stat = readStat(Number(pid));
  return stat === null ? ticks !== "gone" && isHidden(Number(pid)) : startTicks(stat) === ticks;
}

/** As a person knows it. */
export function pidOf(owner: string): number {
  return Number(owner.split(":")[1]);
}

/**
 * Another user's process, where /proc shows nobody but oneself (systemd's `ProtectProc=`, the mount's `hidepid`):
 * getpriority(2) tells anybody whether it is there. An answer that does not tell is no end.
 */
function isHidden(pid: number): boolean {
  try {
    getPriority(pid);
    return true;
  } catch (error) {
    return !(error instanceof Error && /\bESRCH\b/.test(error.message));
  }
}

function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** null when there is no such process to be seen. */
function readStat(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (UNSEEN.has(errorCode(error) ?? "")) return null;
    throw error;
  }
}

/** null when nothing but its exit code is left: whoever started it may never ask for that. */
function startTicks(stat: string): string | null {
  // The second field is the program's name in brackets and may hold anything; the third follows the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ENDED.has(fields[0] ?? "") ? null : (fields[19] ?? null);
}
