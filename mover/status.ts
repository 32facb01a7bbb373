import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AirlockError } from "../shared/errors.ts";
import type { Fresh } from "./freshness.ts";
import type { Moved } from "./move.ts";

/** Of the newest objects, for the percentiles. */
const EXPOSURES_KEPT = 1000;

const counts = z.record(z.string(), z.record(z.string(), z.number()));
const statusSchema = z.strictObject({
  v: z.literal(1),
  mover: z.string(),
  pid: z.number(),
  /** False in what a daemon says last. */
  running: z.boolean(),
  startedAt: z.string(),
  updatedAt: z.string(),
  ledger: z.strictObject({ segment: z.number(), index: z.number(), digest: z.string().nullable() }),
  /** Since the start of this process. */
  objects: z.number(),
  bytes: z.number(),
  underWay: z.number(),
  backlog: z.strictObject({
    /** Found, and not begun yet: at most as many as are under way. */
    waiting: z.number(),
    /** Whose last try failed. */
    toRetry: z.number(),
    /** Whether the last sweep saw all of the drop-zone; if not, there is more. */
    wholeSeen: z.boolean(),
  }),
  memoryUsedBytes: z.number(),
  exposureMs: z.strictObject({ p50: z.number(), p99: z.number(), max: z.number() }).nullable(),
  hosts: z.array(
    z.strictObject({
      host: z.string(),
      objects: z.number(),
      bytes: z.number(),
      lastArchivedAt: z.string().nullable(),
      lastSet: z.string().nullable(),
    }),
  ),
  /** Of each set that is expected; `every` in ms. */
  freshness: z.array(
    z.strictObject({
      host: z.string(),
      set: z.string(),
      everyMs: z.number(),
      lastAt: z.string().nullable(),
      overdue: z.boolean(),
    }),
  ),
  holds: counts,
  held: z.array(z.strictObject({ host: z.string(), reason: z.string(), objects: z.array(z.string()) })),
  lastSweepAt: z.string().nullable(),
  /** The drop-zone could not be listed when that was last tried. */
  sweepFailing: z.boolean(),
  /** Whether events come in; null: the drop-zone is listed instead. */
  events: z.enum(["reachable", "unreachable"]).nullable(),
  lastError: z.strictObject({ at: z.string(), code: z.string(), message: z.string() }).nullable(),
});

/** What the daemon writes to `status.json` in its state folder, for `airlock-mover status` to read. */
export type Status = z.infer<typeof statusSchema>;

export function statusFile(stateFolder: string): string {
  return join(stateFolder, "status.json");
}

/** @throws {AirlockError} `usage` when the daemon has never run here or the file is not its own */
export async function readStatus(stateFolder: string): Promise<Status> {
  const file = statusFile(stateFolder);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new AirlockError("usage", "there is no status yet", {
      subject: file,
      remedy: "start the daemon with `airlock-mover run`",
      cause,
    });
  }
  const parsed = statusSchema.safeParse(JSON.parse(text));
  if (!parsed.success)
    throw new AirlockError("usage", "the status file has another version's form", {
      subject: file,
      cause: parsed.error,
    });
  return parsed.data;
}

export function freshnessRows(fresh: readonly Fresh[]): Status["freshness"] {
  return fresh.map(({ host, set, everyMs, lastMs, overdue }) => {
    return { host, set, everyMs, lastAt: lastMs === null ? null : new Date(lastMs).toISOString(), overdue };
  });
}

/** Counts what was moved, in bounded memory: a line per configured host and the newest exposures. */
export class MoveCounts {
  readonly #hosts = new Map<
    string,
    { objects: number; bytes: number; lastArchivedAt: string | null; lastSet: string | null }
  >();
  readonly #exposuresMs: number[] = [];
  #oldest = 0;
  objects = 0;
  bytes = 0;

  constructor(hosts: Iterable<string>) {
    this.follow(hosts);
  }

  /** These are the configured hosts from now on. */
  follow(hosts: Iterable<string>): void {
    const known = new Map(this.#hosts);
    this.#hosts.clear();
    for (const host of hosts) {
      this.#hosts.set(host, known.get(host) ?? { objects: 0, bytes: 0, lastArchivedAt: null, lastSet: null });
    }
  }

  /** @returns the object's exposure, in ms */
  add(moved: Moved, releasedAtMs: number): number {
    const exposureMs = Math.max(0, releasedAtMs - moved.completedAtMs);
    this.objects++;
    this.bytes += moved.version.sizeBytes;
    const host = this.#hosts.get(moved.host);
    if (host !== undefined) {
      host.objects++;
      host.bytes += moved.version.sizeBytes;
      host.lastArchivedAt = new Date(releasedAtMs).toISOString();
      host.lastSet = moved.set;
    }
    this.#exposuresMs[this.#oldest] = exposureMs;
    this.#oldest = (this.#oldest + 1) % EXPOSURES_KEPT;
    return exposureMs;
  }

  get exposureMs(): Status["exposureMs"] {
    const sorted = this.#exposuresMs.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
    return sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99), max: at(1) };
  }

  get hosts(): Status["hosts"] {
    return Array.from(this.#hosts, ([host, counted]) => ({ host, ...counted }));
  }
}
