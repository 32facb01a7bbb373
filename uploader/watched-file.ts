import type { BigIntStats } from "node:fs";

/** What tells whether a file is the one that was looked at: device, inode, size and time of modification. */
export function identityOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

/** @param file a name, each byte as one character: names are bytes */
export function pathOf(folder: string, file: string): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(file, "latin1")]);
}
