import { statfs } from "node:fs/promises";

const GiB = 2 ** 30;

/** @throws before anything is written that would not fit */
export async function requireSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new Error(
    `it needs ${neededBytes / GiB} GiB in ${folder} and ${(freeBytes / GiB).toFixed(1)} GiB are free: make room, or name another folder in TMPDIR`,
  );
}
