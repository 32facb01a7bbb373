/**
 * When each set that is expected last came. A fold over the ledger's entries: which sets are followed is the
 * configuration's, when they came is the ledger's, so a restart does not forget how long a host has been silent.
 */
import { z } from "zod";
import type { EntryFinding } from "../shared/ledger.ts";
import type { HostPolicy } from "./config.ts";
import type { Finding } from "./findings.ts";

export const freshnessSchema = z.array(
  z.strictObject({
    host: z.string(),
    set: z.string(),
    /** Since when it has been expected; null: the ledger does not say yet. */
    sinceMs: z.number().nullable(),
    /** When the newest backup that counts was complete in the drop-zone; null: never. */
    lastMs: z.number().nullable(),
    overdue: z.boolean(),
  }),
);

interface Expected {
  readonly everyMs: number;
  readonly minSizeBytes: number;
  /** null until the ledger says since when. */
  sinceMs: number | null;
  lastMs: number | null;
  overdue: boolean;
}

/** What `status` says of one set. Times are epoch ms. */
export interface Fresh {
  readonly host: string;
  readonly set: string;
  readonly everyMs: number;
  readonly lastMs: number | null;
  readonly overdue: boolean;
}

/** One object that the ledger records. */
export interface Arrival {
  readonly host: string;
  readonly set: string | null;
  readonly sizeBytes: number;
  /** When the entry was made. */
  readonly atMs: number;
  /** When the object was complete in the drop-zone. */
  readonly completedAtMs: number;
  readonly isSigned: boolean;
}

export class Freshness {
  readonly #hosts: ReadonlyMap<string, HostPolicy>;
  readonly #expected = new Map<string, Map<string, Expected>>();

  constructor(hosts: ReadonlyMap<string, HostPolicy>) {
    this.#hosts = hosts;
    this.reload();
  }

  /** The hosts' configuration is another now. What stays expected is as fresh as it was; what is new counts from here. */
  reload(): void {
    const before = new Map(this.#expected);
    this.#expected.clear();
    for (const [host, { expect }] of this.#hosts) {
      const sets = Array.from(expect, ([set, expectation]) => {
        const known = before.get(host)?.get(set) ?? { sinceMs: null, lastMs: null, overdue: false };
        return [set, { ...known, ...expectation }] as const;
      });
      this.#expected.set(host, new Map(sets));
    }
  }

  /** Unsigned objects count only where nothing is ever signed: anybody who can write could make a silent host look well. */
  arrived({ host, set, sizeBytes, atMs, completedAtMs, isSigned }: Arrival): readonly Finding[] {
    const expected = set === null ? undefined : this.#expected.get(host)?.get(set);
    if (set === null || expected === undefined || sizeBytes < expected.minSizeBytes) return [];
    if (!isSigned && this.#hosts.get(host)?.signatures !== "none") return [];
    expected.lastMs = Math.max(expected.lastMs ?? 0, completedAtMs);
    // what was complete long ago, and was held, does not make a silent host a fresh one
    if (!expected.overdue || isLate(expected, atMs)) return [];
    expected.overdue = false;
    return [{ code: "recovered", set, detail: "a backup came again" }];
  }

  /** A finding of {@link due} that the ledger holds. */
  settle({ code, host, set }: Pick<EntryFinding, "code" | "host" | "set">, atMs: number): void {
    const expected = host === undefined || set === undefined ? undefined : this.#expected.get(host)?.get(set);
    if (expected === undefined) return;
    if (code === "expecting") expected.sinceMs ??= atMs;
    if (code === "overdue") expected.overdue = isLate(expected, atMs);
  }

  /** What the ledger has to be told: that a set is expected from now on, or that it did not come in time. */
  *due(nowMs: number): Generator<Finding & { host: string }, void> {
    for (const [host, sets] of this.#expected) {
      for (const [set, expected] of sets) {
        if (expected.sinceMs === null) yield { code: "expecting", host, set };
        else if (!expected.overdue && isLate(expected, nowMs)) {
          yield { code: "overdue", host, set, detail: describeLast(expected.lastMs) };
        }
      }
    }
  }

  list(): readonly Fresh[] {
    return Array.from(this.#expected, ([host, sets]) =>
      Array.from(sets, ([set, { everyMs, lastMs, overdue }]) => ({ host, set, everyMs, lastMs, overdue })),
    ).flat();
  }

  toState(): z.infer<typeof freshnessSchema> {
    return Array.from(this.#expected, ([host, sets]) =>
      Array.from(sets, ([set, { sinceMs, lastMs, overdue }]) =>
        sinceMs === null && lastMs === null ? [] : [{ host, set, sinceMs, lastMs, overdue }],
      ),
    ).flat(2);
  }

  restore(state: z.infer<typeof freshnessSchema>): void {
    for (const { host, set, ...known } of state) {
      const expected = this.#expected.get(host)?.get(set);
      if (expected !== undefined) Object.assign(expected, known);
    }
  }
}

function isLate({ everyMs, sinceMs, lastMs }: Expected, atMs: number): boolean {
  return atMs - Math.max(sinceMs ?? 0, lastMs ?? 0) > everyMs;
}

function describeLast(lastMs: number | null): string {
  return lastMs === null ? "no backup ever came" : `the last backup came at ${new Date(lastMs).toISOString()}`;
}
