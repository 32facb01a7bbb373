/** Where installed servers and running servers' state lie: outside the checkout, shared by all checkouts of a user. */
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { until } from "./processes.ts";

export function cacheFolder(): string {
  return process.env["AIRLOCK_SERVERS"] || join(homedir(), ".cache", "airlock-servers");
}

/** One folder per pinned version, so that another pin never meets the files of this one. */
export function installFolder(program: string, version: string): string {
  return join(cacheFolder(), "installed", `${program}-${version}`);
}

/** State of servers that are up: one folder per run, removed when it is stopped. */
export function runsFolder(): string {
  return join(cacheFolder(), "run");
}

/** Two installations at once (two checkouts, two terminals) take turns. */
export async function withInstallLock<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(cacheFolder(), { recursive: true });
  const path = join(cacheFolder(), "install.lock");
  const locked = await until(async () => (await tryLock(path)) || (await removeIfStale(path)), 600_000);
  if (!locked) throw new Error(`another installation has held ${path} for ten minutes`);
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Always false: the lock has yet to be taken. */
async function removeIfStale(path: string): Promise<false> {
  const holder = Number(await readFile(path, "utf8").catch(() => ""));
  if (holder > 0) {
    try {
      process.kill(holder, 0);
    } catch {
      await rm(path, { force: true });
    }
  }
  return false;
}
