import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** @throws {Error} naming the first file that is only in one of them, or that differs */
export async function compareTrees(original: string, copy: string): Promise<void> {
  const [ours, theirs] = [await filesBelow(original), await filesBelow(copy)];
  for (const file of new Set([...ours, ...theirs])) {
    if (!ours.includes(file)) throw new Error(`${file} is only in the restored folder`);
    if (!theirs.includes(file)) throw new Error(`${file} was not restored`);
    const [a, b] = await Promise.all([readFile(join(original, file)), readFile(join(copy, file))]);
    if (!a.equals(b)) throw new Error(`${file} differs from the original`);
  }
  if (ours.length === 0) throw new Error(`${original} is empty: nothing was compared`);
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}
