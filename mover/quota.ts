/**
 * What each host has used of its day. The recorded part is a fold over the ledger's entries, so that a restart does not
 * begin the day anew; what is under way comes on top until it is recorded. A day is UTC's, by the entries' `at`.
 */
import { z } from "zod";
import type { Code } from "../shared/errors.ts";
import type { HostPolicy, Quota } from "./config.ts";

/** Per host, of those that a day saw; what other sets use counts for the host only. */
const MAX_SETS = 256;
/** Names of hosts that are not configured are anybody's choice. */
const MAX_HOSTS = 10_000;
const DAY_MS = 86_400_000;

const usedSchema = z.strictObject({ bytes: z.number(), objects: z.number() });
export const quotaSchema = z.strictObject({
  /** Whole days since 1970, UTC. */
  day: z.int().min(0),
  hosts: z.array(
    z.strictObject({
      host: z.string(),
      used: usedSchema,
      sets: z.array(z.strictObject({ set: z.string(), used: usedSchema })),
    }),
  ),
});

interface Used {
  bytes: number;
  objects: number;
}

/** An object, as far as its listing tells of it. */
export interface Sized {
  readonly host: string;
  /** null for a foreign one. */
  readonly set: string | null;
  readonly sizeBytes: number;
}

export type QuotaReason = Extract<Code, "quota-bytes" | "quota-objects" | "object-too-large">;

/** All sets of a host together, or one of them. */
export type Scope = string | null;

export interface Limit {
  readonly scope: Scope;
  readonly quota: Quota;
}

/** The limits that an object is under, the host's first. */
export function limitsOf({ quota, setQuotas }: HostPolicy, set: string | null): readonly Limit[] {
  const ofSet = set === null ? undefined : setQuotas?.get(set);
  return [{ scope: null, quota }, ...(ofSet === undefined ? [] : [{ scope: set, quota: ofSet }])];
}

export class QuotaBook {
  #day = 0;
  readonly #hosts = new Map<string, { readonly used: Used; readonly sets: Map<string, Used> }>();
  /** Admitted and not recorded yet, by what tells one version from another. */
  readonly #underWay = new Map<string, Sized>();

  /** An object that the ledger records, so that it is no longer under way. */
  record(id: string, object: Sized, atMs: number): void {
    this.#underWay.delete(id);
    const day = Math.floor(atMs / DAY_MS);
    if (day < this.#day) return; // yesterday's is not today's, even if the clock was set back
    this.#begin(day);
    const known = this.#hosts.get(object.host);
    if (known === undefined && this.#hosts.size >= MAX_HOSTS) return;
    const ofHost = known ?? { used: { bytes: 0, objects: 0 }, sets: new Map<string, Used>() };
    this.#hosts.set(object.host, ofHost);
    add(ofHost.used, object);
    if (object.set === null || (!ofHost.sets.has(object.set) && ofHost.sets.size >= MAX_SETS)) return;
    const ofSet = ofHost.sets.get(object.set) ?? { bytes: 0, objects: 0 };
    ofHost.sets.set(object.set, ofSet);
    add(ofSet, object);
  }

  reserve(id: string, object: Sized): void {
    this.#underWay.set(id, object);
  }

  /** It was not recorded after all. */
  giveBack(id: string): void {
    this.#underWay.delete(id);
  }

  /** What is used of that day by a host, or by one of its sets. */
  used(host: string, scope: Scope, nowMs: number): Readonly<Used> {
    const isToday = Math.floor(nowMs / DAY_MS) <= this.#day;
    const ofHost = isToday ? this.#hosts.get(host) : undefined;
    const recorded = scope === null ? ofHost?.used : ofHost?.sets.get(scope);
    const sum = { bytes: recorded?.bytes ?? 0, objects: recorded?.objects ?? 0 };
    for (const object of this.#underWay.values()) {
      if (object.host === host && (scope === null || object.set === scope)) add(sum, object);
    }
    return sum;
  }

  toState(): z.infer<typeof quotaSchema> {
    return {
      day: this.#day,
      hosts: Array.from(this.#hosts, ([host, { used, sets }]) => ({
        host,
        used,
        sets: Array.from(sets, ([set, ofSet]) => ({ set, used: ofSet })),
      })),
    };
  }

  restore({ day, hosts }: z.infer<typeof quotaSchema>): void {
    this.#hosts.clear();
    this.#day = day;
    for (const { host, used, sets } of hosts) {
      this.#hosts.set(host, { used, sets: new Map(sets.map(({ set, used: ofSet }) => [set, ofSet])) });
    }
  }

  #begin(day: number): void {
    if (day === this.#day) return;
    this.#day = day;
    this.#hosts.clear();
  }
}

function add(used: Used, { sizeBytes }: Sized): void {
  used.bytes += sizeBytes;
  used.objects += 1;
}

/**
 * Why an object of this size does not fit into what is left of the day, or null. The day's first object always does:
 * one that is larger than a day's quota would otherwise be held for ever.
 */
export function judgeQuota(quota: Quota, used: Readonly<Used>, sizeBytes: number): QuotaReason | null {
  if (quota.objectSizeBytes !== null && sizeBytes > quota.objectSizeBytes) return "object-too-large";
  if (quota.objectsPerDay !== null && used.objects >= quota.objectsPerDay) return "quota-objects";
  if (quota.bytesPerDay !== null && used.bytes > 0 && used.bytes + sizeBytes > quota.bytesPerDay) return "quota-bytes";
  return null;
}
