import { createHash } from "node:crypto";

/** The i-th of n shares of all hosts, i from 1. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

/** All hosts. */
export const WHOLE: Share = { index: 1, of: 1 };

export function formatShare({ index, of }: Share): string {
  return `${index}/${of}`;
}

/**
 * Whether a host's objects are this mover's: the first 8 bytes of SHA-256 over its name, big-endian, modulo n. Every name
 * is in exactly one share, those of hosts that nobody configured too.
 */
export function isInShare(host: string, { index, of }: Share): boolean {
  const number = createHash("sha256").update(host, "utf8").digest().readBigUInt64BE();
  return number % BigInt(of) === BigInt(index - 1);
}
