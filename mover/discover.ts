import type { DropZoneSource, ListPage, StoredVersion } from "../shared/stores.ts";

const PAGE_SIZE = 1000;
/** Small enough that a round over many hosts comes back to each of them soon. */
const TURN_SIZE = 250;

/** One round's find. `complete`: the hosts of which this round showed all that there is. */
export interface Round {
  readonly versions: readonly StoredVersion[];
  /** Whether the whole drop-zone was seen since the last time this was true. */
  readonly wholeSeen: boolean;
  /** Whether more is known to lie there than this round showed. */
  readonly more: boolean;
}

/**
 * Lists the drop-zone. One bucket-wide request shows all of it as long as it is as empty as it should be; only when
 * that is truncated, hosts are listed in turn, a page each, each continued from its last page, so that neither a flood
 * from one nor a wall of held objects hides what the others send. What lies under no host's name has a turn of its own.
 */
export class Discovery {
  readonly #dropZone: DropZoneSource;
  readonly #turns: { readonly prefix: string; cursor: string | null; wrapped: boolean }[];

  constructor(dropZone: DropZoneSource, hosts: Iterable<string>) {
    this.#dropZone = dropZone;
    this.#turns = ["", ...Array.from(hosts, (host) => `${host}/`)].map((prefix) => ({
      prefix,
      cursor: null,
      wrapped: false,
    }));
  }

  async *round(signal: AbortSignal): AsyncGenerator<Round, void> {
    const first = await this.#list("", null, PAGE_SIZE, signal);
    if (first.next === null) {
      for (const turn of this.#turns) Object.assign(turn, { cursor: null, wrapped: false });
      yield { versions: first.versions, wholeSeen: true, more: false };
      return;
    }
    for (const turn of this.#turns) {
      const page = await this.#list(turn.prefix, turn.cursor, TURN_SIZE, signal);
      turn.cursor = page.next;
      if (page.next === null) turn.wrapped = true;
      const wholeSeen = this.#turns.every(({ wrapped }) => wrapped);
      if (wholeSeen) for (const each of this.#turns) each.wrapped = false;
      yield { versions: page.versions, wholeSeen, more: true };
    }
  }

  #list(prefix: string, cursor: string | null, limit: number, signal: AbortSignal): Promise<ListPage> {
    return this.#dropZone.listPage({ prefix, cursor, limit, signal });
  }
}
