import type { Timing } from "../shared/retry.ts";
import type { HostPolicy } from "./config.ts";
import { QuotaLine } from "./quota-line.ts";
import { judgeQuota, limitsOf, type QuotaBook, type QuotaReason, type Scope, type Sized } from "./quota.ts";

const DAY_MS = 86_400_000;
/** What was refused takes at most this share of a day from those that nothing is known against. */
const REFUSED_SHARE = 0.5;

export interface Candidate extends Sized {
  readonly id: string;
  /** When the drop-zone had it, epoch ms. */
  readonly sinceMs: number;
  /** It was refused before, for what it is. */
  readonly wasRefused: boolean;
}

/**
 * Lets objects in as their host's quota allows, the oldest first. What the mover read and then refused counts too, in
 * this process only: at most half of a quota for objects that come for the first time, all of it for another try.
 */
export class QuotaGate {
  readonly #book: QuotaBook;
  readonly #timing: Timing;
  readonly #lines = new Map<string, Map<Scope, QuotaLine>>();
  readonly #refused = new Map<string, { readonly day: number; readonly bytes: number }>();

  constructor(book: QuotaBook, timing: Timing) {
    this.#book = book;
    this.#timing = timing;
  }

  /** null: there is room, which {@link begin} takes. */
  judge(candidate: Candidate, policy: HostPolicy): QuotaReason | null {
    const { host, set, sizeBytes } = candidate;
    const limits = limitsOf(policy, set).filter(({ quota }) => Object.values(quota).some((limit) => limit !== null));
    for (const { scope, quota } of limits) {
      const line = this.#lineOf(host, scope);
      const used = this.#book.used(host, scope, this.#timing.now());
      // a day's first object goes in whatever its size, and nothing that was refused before takes that from it
      const isFirst = used.bytes === 0 && !candidate.wasRefused;
      const refusedBytes = isFirst ? 0 : this.#refusedBytes(host, candidate.wasRefused, quota.bytesPerDay);
      const reason = judgeQuota(quota, { ...used, bytes: used.bytes + refusedBytes }, sizeBytes);
      if (reason === "object-too-large") return reason; // it will not fit tomorrow either, and nobody waits for it
      if (reason === null && !line.isBehind(candidate)) continue;
      if (!candidate.wasRefused) line.wait(candidate); // nobody waits for what was refused before
      return reason ?? (quota.bytesPerDay === null ? "quota-objects" : "quota-bytes");
    }
    return null;
  }

  begin(candidate: Candidate): void {
    this.#book.reserve(candidate.id, candidate);
    for (const line of this.#lines.get(candidate.host)?.values() ?? []) line.leave(candidate);
  }

  /** It left, or it did not: either way it is no longer under way. */
  end(id: string): void {
    this.#book.giveBack(id);
  }

  /** Bytes that were read in vain. */
  refused(host: string, bytes: number): void {
    const day = Math.floor(this.#timing.now() / DAY_MS);
    const before = this.#refused.get(host);
    this.#refused.set(host, { day, bytes: bytes + (before?.day === day ? before.bytes : 0) });
  }

  endPass(): void {
    for (const lines of this.#lines.values()) for (const line of lines.values()) line.endPass();
  }

  #refusedBytes(host: string, wasRefused: boolean, bytesPerDay: number | null): number {
    const refused = this.#refused.get(host);
    if (refused?.day !== Math.floor(this.#timing.now() / DAY_MS) || bytesPerDay === null) return 0;
    return wasRefused ? refused.bytes : Math.min(refused.bytes, bytesPerDay * REFUSED_SHARE);
  }

  #lineOf(host: string, scope: Scope): QuotaLine {
    const lines = this.#lines.get(host) ?? new Map<Scope, QuotaLine>();
    this.#lines.set(host, lines);
    const line = lines.get(scope) ?? new QuotaLine();
    lines.set(scope, line);
    return line;
  }
}
