import { readFileSync } from "node:fs";

/** States of a process that is a zombie, or about to be gone; see proc(5). */
const ENDED: ReadonlySet<string> = new Set(["Z", "X", "x"]);

/**
 * Names one running process so that a later one can tell whether it is still there: a bare process id is soon
 * another's. Its start time is field 22 of /proc/<pid>/stat, in clock ticks since boot; see proc(5).
 */
export function ownerOf(pid: number): string {
  return `${readBootId()}:${pid}:${readStartTicks(pid) ?? "gone"}`;
}

/** False only when that process has definitely ended. */
export function isOwnerAlive(owner: string): boolean {
  const [boot, pid, ticks] = owner.split(":");
  return boot === readBootId() && readStartTicks(Number(pid)) === ticks;
}

/** As a person knows it. */
export function pidOf(owner: string): number {
  return Number(owner.split(":")[1]);
}

function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** null when there is no such process, or nothing but its exit code is left: whoever started it may never ask for that. */
function readStartTicks(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return null;
    throw error;
  }
  // The second field is the program's name in brackets and may hold anything; the third follows the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ENDED.has(fields[0] ?? "") ? null : (fields[19] ?? null);
}
