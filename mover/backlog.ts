import { createHash } from "node:crypto";
import { hasPassed } from "../shared/elapsed.ts";
import { CODES, type AirlockError, type Code } from "../shared/errors.ts";
import type { Holds } from "../shared/ledger.ts";
import { backoffMs, type Timing } from "../shared/retry.ts";
import type { StoredVersion } from "../shared/stores.ts";

/** Of what has to be tried again, per host. */
const MAX_REMEMBERED_PER_HOST = 1000;
/** Of what is held beyond that, of all hosts: its reason only, until all of it is tried again. About 20 MiB. */
const MAX_CROWD = 200_000;
const MAX_EXAMPLES = 100;
/** Characters of all examples, which the status repeats each second; and of one host and reason. Keys may be long. */
const MAX_EXAMPLES_LENGTH = 4 * 1024 * 1024;
const MAX_LIST_LENGTH = 128 * 1024;
/** Of what just left; ten times what is on its way at any time. */
const MAX_GONE = 10_000;
const GONE_MS = 3_600_000;
const RETRY = { baseMs: 1_000, capMs: 5 * 60_000 };
const HOLD = { baseMs: 60_000, capMs: 24 * 3_600_000 };
/** Stands for all hosts that are not configured: their names are anybody's choice. */
export const UNKNOWN_HOST = "*";

export type VersionId = string & { readonly versionIdOf: unique symbol };

/** What tells one version of one object from every other within a bucket. */
export function idOf(version: StoredVersion): VersionId {
  // the only place where one is made
  return `${version.key}@${version.versionId ?? version.etag}` as VersionId;
}

interface Active {
  readonly host: string;
  /** When this process first saw the version, epoch ms. */
  readonly seenAtMs: number;
}

interface Failure {
  readonly code: Code;
  readonly failures: number;
  /** When it failed last, and how long it waits from then on. */
  readonly sinceMs: number;
  readonly waitMs: number;
  /** When this process first saw the version, however often it was tried since. */
  readonly seenAtMs: number;
}

/** What is under way, what just left, and what has to wait before it is tried again. In memory only: a restart tries at once. */
export class Backlog {
  readonly #timing: Timing;
  readonly #active = new Map<VersionId, Active>();
  /** Left since the round before the last began: a listing that is older than the delete may still show them. */
  #gone = { now: new Set<VersionId>(), before: new Set<VersionId>() };
  readonly #failed = new Map<string, Map<VersionId, Failure>>();
  /** Held, of hosts that have more held than is remembered of each: by a short digest. Forgotten as a whole. */
  readonly #crowd = new Map<number, Code>();
  #crowdSinceMs = 0;
  #pass = new HoldCount();
  #holds = new HoldCount();

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  get activeCount(): number {
    return this.#active.size;
  }

  beginRound(): void {
    this.#gone = { now: new Set(), before: this.#gone.now };
  }

  /**
   * What to do with a version that a listing shows: start it; let it be, for it is under way or just left (`busy`);
   * or come back later, because its last try failed (`failed`) or it is `held`, which counts it in this pass.
   */
  look(version: StoredVersion, host: string): "start" | "busy" | "failed" | "held" {
    const id = idOf(version);
    if (this.#gone.now.has(id) || this.#gone.before.has(id)) return "busy";
    const failure = this.#failed.get(host)?.get(id);
    const code = failure?.code ?? this.#crowdedOut(id);
    const isHeld = code !== undefined && CODES[code].reaction === "hold";
    // it is still there, even if it is being tried once more, or about to be
    if (isHeld) this.#pass.add(host, code, id);
    if (this.#active.has(id)) return "busy";
    if (code === undefined) return "start";
    if (failure !== undefined && hasPassed(failure.sinceMs, failure.waitMs, this.#timing.now())) return "start";
    return isHeld ? "held" : "failed";
  }

  /** Why it is held, if it is and that had cost a request. */
  reasonOf(id: VersionId, host: string): Code | null {
    const code = this.#failed.get(host)?.get(id)?.code ?? this.#crowdedOut(id);
    return code !== undefined && CODES[code].reaction === "hold" ? code : null;
  }

  /** The next look starts it. */
  forget(id: VersionId, host: string): void {
    this.#failed.get(host)?.delete(id);
    this.#crowd.delete(shortOf(id));
  }

  /** What is held of these hosts is looked at again: what is said against it may not be true any more. */
  reconsider(hosts: Iterable<string>): void {
    for (const host of hosts) {
      const ofHost = this.#failed.get(host);
      for (const [id, { code }] of ofHost ?? []) if (CODES[code].reaction === "hold") ofHost?.delete(id);
    }
    this.#crowd.clear();
  }

  /** When the oldest of the host's moves that are under way was first seen; null: there is none. */
  oldestActiveMs(host: string): number | null {
    const seen = Array.from(this.#active.values(), (active) => (active.host === host ? active.seenAtMs : Infinity));
    const oldestMs = Math.min(...seen);
    return oldestMs === Infinity ? null : oldestMs;
  }

  #crowdedOut(id: VersionId): Code | undefined {
    if (this.#crowd.size > 0 && hasPassed(this.#crowdSinceMs, HOLD.capMs, this.#timing.now())) this.#crowd.clear();
    return this.#crowd.get(shortOf(id));
  }

  isActive(id: VersionId): boolean {
    return this.#active.has(id);
  }

  /** @returns when this process first saw the version, epoch ms */
  begin(version: StoredVersion, host: string): number {
    const id = idOf(version);
    const seenAtMs = this.#failed.get(host)?.get(id)?.seenAtMs ?? this.#timing.now();
    this.#active.set(id, { host, seenAtMs });
    return seenAtMs;
  }

  left(version: StoredVersion, host: string): void {
    const id = idOf(version);
    this.#active.delete(id);
    if (this.#gone.now.size >= MAX_GONE) this.beginRound(); // while events come in, rounds are rare
    this.#gone.now.add(id);
    this.#failed.get(host)?.delete(id);
  }

  /** A refusal or failure that cost requests: remembered, so that the next try waits. */
  failed(
    version: StoredVersion,
    host: string,
    error: AirlockError,
  ): { readonly first: boolean; readonly waitMs: number } {
    const id = idOf(version);
    const seenAtMs = this.#active.get(id)?.seenAtMs ?? this.#timing.now();
    this.#active.delete(id);
    const ofHost = this.#failed.get(host) ?? new Map<VersionId, Failure>();
    this.#failed.set(host, ofHost);
    const before = ofHost.get(id);
    const held = CODES[error.code].reaction === "hold";
    const failures = before?.code === error.code ? before.failures + 1 : 1;
    const waitMs = held
      ? Math.min(HOLD.capMs, HOLD.baseMs * 2 ** Math.min(failures - 1, 20))
      : backoffMs(failures, RETRY, this.#timing.random);
    ofHost.delete(id); // moves it to the young end
    if (ofHost.size >= MAX_REMEMBERED_PER_HOST) this.#forgetGone(ofHost);
    if (ofHost.size < MAX_REMEMBERED_PER_HOST) {
      ofHost.set(id, { code: error.code, failures, sinceMs: this.#timing.now(), waitMs, seenAtMs });
    } else if (held) this.#addToCrowd(id, error.code); // what failed for another reason is merely tried again sooner
    if (held) this.#pass.add(host, error.code, id);
    return { first: failures === 1, waitMs };
  }

  /** Whatever is still there is tried again soon after it is due. */
  #forgetGone(ofHost: Map<VersionId, Failure>): void {
    for (const [id, { sinceMs, waitMs }] of ofHost)
      if (hasPassed(sinceMs, waitMs + GONE_MS, this.#timing.now())) ofHost.delete(id);
  }

  #addToCrowd(id: VersionId, code: Code): void {
    if (this.#crowd.size >= MAX_CROWD) this.#crowd.clear();
    if (this.#crowd.size === 0) this.#crowdSinceMs = this.#timing.now();
    this.#crowd.set(shortOf(id), code);
  }

  /** A refusal by name alone, which costs nothing and is not remembered. */
  refused(version: StoredVersion, host: string, code: Code): void {
    this.#pass.add(host, code, idOf(version));
  }

  /**
   * All that is there has been seen once more: what was counted meanwhile is what is held. True when the counts
   * changed, or which objects they count.
   */
  endPass(): boolean {
    const changed = this.#pass.fingerprint() !== this.#holds.fingerprint();
    this.#holds = this.#pass;
    this.#pass = new HoldCount();
    return changed;
  }

  get holds(): Holds {
    return this.#holds.counts();
  }

  /** Up to 100 `KEY@VERSION` per host and reason. */
  get heldExamples(): ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> {
    return this.#holds.examples;
  }
}

class HoldCount {
  readonly #counts = new Map<string, Map<string, number>>();
  /** Sum of the members' digests: the same in whatever order they were counted. */
  #members = 0;
  readonly examples = new Map<string, Map<string, string[]>>();
  #examplesLength = 0;
  readonly #counted = new Set<number>();

  add(host: string, reason: Code, id: VersionId): void {
    // an object that fails again within one pass is still one object
    const short = shortOf(id);
    if (this.#counted.has(short)) return;
    if (this.#counted.size < MAX_CROWD) this.#counted.add(short);
    const ofHost = getOrMake(this.#counts, host, () => new Map<string, number>());
    const count = (ofHost.get(reason) ?? 0) + 1;
    ofHost.set(reason, count);
    this.#members = (this.#members + short) % Number.MAX_SAFE_INTEGER;
    if (count > MAX_EXAMPLES || this.#examplesLength + id.length > MAX_EXAMPLES_LENGTH) return;
    const examples = getOrMake(
      getOrMake(this.examples, host, () => new Map<string, string[]>()),
      reason,
      (): string[] => [],
    );
    if (examples.reduce((length, one) => length + one.length, id.length) > MAX_LIST_LENGTH) return;
    this.#examplesLength += id.length;
    examples.push(id);
  }

  fingerprint(): string {
    return JSON.stringify([this.#counts.size, this.counts(), this.#members]);
  }

  /** By host and reason in order of name, so that equal counts are equal text. */
  counts(): Holds {
    const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(
      sorted(this.#counts).map(([host, reasons]) => [host, Object.fromEntries(sorted(reasons))]),
    );
  }
}

/** 48 bits. */
function shortOf(id: VersionId): number {
  return createHash("sha256").update(id).digest().readUIntBE(0, 6);
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
