/** One row of the threat model, tried for real, and what has to come of it. */
import { S3ServiceException } from "@aws-sdk/client-s3";
import type { ServerName } from "../servers/server.ts";
import type { Stand } from "./stand.ts";

export type Attacker = "A" | "B" | "C" | "D" | "F";

export interface Row {
  readonly attacker: Attacker;
  readonly tries: string;
  /** What has to come of it, in a few words. */
  readonly gets: string;
  /** Whose store has to enforce it; for most rows, nobody's: the mover does. */
  readonly enforcedBy?: "drop-zone" | "vault";
  readonly attempt: (stand: Stand) => Promise<string>;
  /** What comes of it on a store that does not enforce it, and why that can be lived with. Each is a visible row. */
  readonly otherwise?: Partial<Record<ServerName, NotEnforced>>;
}

export interface NotEnforced {
  readonly gets: string;
  readonly why: string;
}

/** Requests that have to be refused, all of them, by their names. */
export async function refused(calls: Readonly<Record<string, () => Promise<unknown>>>): Promise<string> {
  const done: string[] = [];
  for (const [name, call] of Object.entries(calls)) {
    const answer = await answerOf(call);
    if (!isRefusal(answer)) done.push(answer === 200 ? name : `${name} (${answer})`);
  }
  return done.length === 0 ? "denied" : `allowed: ${done.join(", ")}`;
}

/** The status; 200 for whatever was done. */
export async function answerOf(call: () => Promise<unknown>): Promise<number> {
  try {
    await call();
    return 200;
  } catch (error) {
    if (error instanceof S3ServiceException) return error.$metadata.httpStatusCode ?? 0;
    throw error;
  }
}

/** For want of permission, or since the store knows no such request at all. */
function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 405 || status === 412 || status === 501;
}
