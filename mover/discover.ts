import type { DropZoneSource, ListPage, StoredVersion } from "../shared/stores.ts";

const PAGE_SIZE = 1000;
/** Small enough that a round over many hosts comes back to each of them soon. */
const TURN_SIZE = 32;

export interface Round {
  readonly versions: readonly StoredVersion[];
  /** Whether all of the drop-zone has been seen since the last time this was true; if not, the next round goes on. */
  readonly wholeSeen: boolean;
}

interface Turn {
  readonly prefix: string;
  cursor: string | null;
  wrapped: boolean;
}

/**
 * Lists the drop-zone. One bucket-wide request shows all of it as long as it is as empty as it should be; only when
 * that is truncated, hosts are listed in turn, a page each, each continued from its last page, so that neither a flood
 * from one nor a wall of held objects hides what the others send. What lies under no host's name has a turn of its own.
 * Turns go on until each has come to its end; only then is the whole bucket asked for again.
 */
export class Discovery {
  readonly #dropZone: DropZoneSource;
  #turns: Turn[] = [];
  #prefixes: ReadonlySet<string> = new Set();
  #inTurns = false;

  constructor(dropZone: DropZoneSource, hosts: Iterable<string>) {
    this.#dropZone = dropZone;
    this.follow(hosts);
  }

  /** These hosts have turns from the next round on; those that had one go on where they were. */
  follow(hosts: Iterable<string>): void {
    const known = new Map(this.#turns.map((turn) => [turn.prefix, turn]));
    this.#prefixes = new Set(Array.from(hosts, (host) => `${host}/`));
    this.#turns = ["", ...this.#prefixes].map(
      (prefix) => known.get(prefix) ?? { prefix, cursor: null, wrapped: false },
    );
  }

  async *round(signal: AbortSignal): AsyncGenerator<Round, void> {
    if (!this.#inTurns) {
      const { versions, next } = await this.#list("", null, PAGE_SIZE, signal);
      if (next === null) {
        yield { versions, wholeSeen: true };
        return;
      }
      for (const turn of this.#turns) Object.assign(turn, { cursor: null, wrapped: false });
      this.#inTurns = true;
    }
    for (const turn of this.#turns) {
      const page = await this.#list(turn.prefix, turn.cursor, TURN_SIZE, signal);
      turn.cursor = page.next;
      turn.wrapped ||= page.next === null;
      const wholeSeen = this.#turns.every(({ wrapped }) => wrapped);
      this.#inTurns = !wholeSeen;
      // what has a turn of its own is not taken twice: a flood has one host's share of each round
      const versions = turn.prefix === "" ? page.versions.filter(({ key }) => !this.#hasTurn(key)) : page.versions;
      yield { versions, wholeSeen };
      if (wholeSeen) return;
    }
  }

  #hasTurn(key: string): boolean {
    return this.#prefixes.has(key.slice(0, key.indexOf("/") + 1));
  }

  #list(prefix: string, cursor: string | null, limit: number, signal: AbortSignal): Promise<ListPage> {
    return this.#dropZone.listPage({ prefix, cursor, limit, signal });
  }
}
