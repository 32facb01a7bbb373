import { hasPassed } from "../shared/elapsed.ts";
import { parseSegment } from "../shared/ledger.ts";
import type { Timing } from "../shared/retry.ts";
import { statementDigest, type Statement } from "../shared/statement.ts";
import type { LedgerStore } from "../shared/stores.ts";
import type { LedgerWriter } from "./ledger-writer.ts";

/** How far the vault box's clock may be from the drop-zone's. */
const CLOCK_MARGIN_MS = 24 * 3_600_000;
/** Of one search, and how often there is one: statements that nobody remembers are a host's to make, as many as it likes. */
const MAX_SEGMENTS = 100;
const SEARCH_EVERY_MS = 60_000;

export interface SearchTools {
  readonly mover: string;
  readonly ledger: LedgerWriter;
  readonly ledgerStore: Pick<LedgerStore, "readSegment">;
  readonly timing: Timing;
}

export interface Sought {
  readonly objectKey: string;
  readonly statement: Statement;
  readonly digest: string;
  /** When the drop-zone had the statement, epoch ms. */
  readonly sinceMs: number;
  /** Since then it has lain there for long enough that no upload is about to be completed. */
  readonly isSettled: boolean;
}

/** What the ledger says of a statement's object: when it was recorded last, epoch ms; that it was not; or nothing yet. */
export type Standing = number | "not-recorded" | "not-searched";

/** Asks the books first, which remember the newest; the rest is looked for in the ledger itself, from its end. */
export class OrphanSearch {
  readonly #tools: SearchTools;
  #searchedAtMs = -Infinity;

  constructor(tools: SearchTools) {
    this.#tools = tools;
  }

  async find<T extends Sought>(all: readonly T[], signal: AbortSignal): Promise<ReadonlyMap<T, Standing>> {
    const standings = new Map<T, Standing>();
    const left: T[] = [];
    for (const sought of all) {
      const standing = this.#tools.ledger.books.chain.standingOf(sought.statement);
      if (standing === "object" && sought.isSettled) standings.set(sought, Infinity); // whenever that was
      else if (standing === "object" || standing === "forgotten") left.push(sought);
      else standings.set(sought, "not-recorded");
    }
    const nowMs = this.#tools.timing.now();
    const isDue = left.length > 0 && hasPassed(this.#searchedAtMs, SEARCH_EVERY_MS, nowMs);
    if (isDue) this.#searchedAtMs = nowMs;
    const found = isDue ? await this.#search(left, signal) : null;
    for (const sought of left) {
      standings.set(sought, found === null ? "not-searched" : (found.get(matchOf(sought)) ?? "not-recorded"));
    }
    return standings;
  }

  async #search(all: readonly Sought[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const { ledger, ledgerStore, mover } = this.#tools;
    const wanted = new Set(all.map(matchOf));
    const found = new Map<string, number>();
    const sinceMs = Math.min(...all.map((sought) => sought.sinceMs)) - CLOCK_MARGIN_MS;
    const head = ledger.head?.segment ?? 0;
    for (let number = head; number > Math.max(0, head - MAX_SEGMENTS) && found.size < wanted.size; number--) {
      const segment = parseSegment(await ledgerStore.readSegment(number, signal), mover, number);
      if (Date.parse(segment.header.writtenAt) < sinceMs) break;
      for (const { at, source, vault, statement, disposition } of segment.entries) {
        if (source === null || statement === null) continue;
        if (vault === null && disposition !== "discarded-by-operator") continue;
        const match = matchOf({ objectKey: source.key, digest: statementDigest(statement) });
        if (wanted.has(match)) found.set(match, Math.max(found.get(match) ?? 0, Date.parse(at)));
      }
    }
    return found;
  }
}

function matchOf({ objectKey, digest }: Pick<Sought, "objectKey" | "digest">): string {
  return `${digest} ${objectKey}`;
}
