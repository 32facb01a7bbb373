/** Honest hosts: what the uploader does, as the drop-zone sees it. */
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../../../shared/names.ts";
import {
  formatStatement,
  inlineStatement,
  signStatement,
  STATEMENT_METADATA,
  statementDigest,
  type SignedStatement,
  type Statement,
} from "../../../shared/statement.ts";
import { signingKeyOf, type Book, type Upload } from "./book.ts";
import type { VirtualClock } from "./clock.ts";
import type { Random } from "./random.ts";
import { DROP_ZONE } from "./stores.ts";
import { digestOf, type PutOptions, type Zone, type ZoneVersion } from "./zone.ts";

export interface Surroundings {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly zone: Zone;
  readonly book: Book;
  /** A line of the history. */
  readonly tell: (line: string) => void;
}

const NAMES = ["shop.dump", "home.tar.zst.age", "ein Name mit Ä.bin", "a'b\"c&<d>.gz", ".hidden"] as const;
const SETS = ["postgres", "etc", "constructor"] as const;

export class Host {
  readonly name: string;
  readonly #around: Surroundings;
  #epoch: string;
  #seq = 0;
  #prev: string | null = null;

  constructor(name: string, around: Surroundings) {
    this.name = name;
    this.#around = around;
    this.#epoch = newEpoch(around.random);
  }

  /** A name of its own for a new object. */
  newKey(): string {
    const { clock, random } = this.#around;
    const at = new Date(Math.floor(clock.nowMs / 1000) * 1000);
    const token = newToken((size) => random.bytes(size));
    return formatDropZoneName({ host: this.name, set: random.pick(SETS), at, token, name: random.pick(NAMES) });
  }

  /** A statement that is true, next in sequence, and signed. */
  state(key: string, bytes: Uint8Array, other: Partial<Statement> = {}): SignedStatement {
    const { clock, book } = this.#around;
    const statement: Statement = {
      v: 1,
      bucket: DROP_ZONE,
      key,
      host: this.name,
      set: key.split("/")[1] ?? "",
      epoch: this.#epoch,
      seq: ++this.#seq,
      prev: this.#prev,
      size: bytes.length,
      sha256: digestOf(bytes),
      encoding: ["tar", "zstd", "age"],
      startedAt: new Date(clock.nowMs).toISOString(),
      ...other,
    };
    const signed = signStatement(statement, signingKeyOf(this.name));
    this.#prev = statementDigest(statement);
    book.noteSigned(signed);
    return signed;
  }

  /** As `init` does: on a new machine, or on one that was restored from a snapshot. */
  beginEpoch(): void {
    this.#epoch = newEpoch(this.#around.random);
    this.#seq = 0;
    this.#prev = null;
    this.#around.tell(`${this.name} begins a new epoch`);
  }

  /** `last`: not stored once more, and its host does not die. */
  upload(last = false): void {
    const { random, book, zone, clock, tell } = this.#around;
    const bytes = random.bytes(random.pick([0, 1, 700, 5_000, 8_192, 8_193, 20_000, 40_000]));
    const key = this.newKey();
    const signed = this.state(key, bytes);
    const upload: Upload = { host: this.name, key, bytes, signed, isPublished: false, touched: null };
    book.uploads.push(upload);
    const isMultipart = bytes.length > 0 && random.chance(0.4);
    const inline = isMultipart || random.chance(0.3) ? null : inlineStatement(signed);
    const begunMs = clock.nowMs - (isMultipart ? random.int(0, 600_000) : 0);
    const options: PutOptions = {
      contentType: "application/octet-stream",
      metadata: new Map([["from", this.name], ...(inline === null ? [] : [[STATEMENT_METADATA, inline] as const])]),
      tags: new Map(random.chance(0.2) ? [["kind", "backup"]] : []),
      isMultipart,
      ...(isMultipart ? { lastModifiedMs: begunMs } : {}),
    };
    const putStatement = (): void => {
      if (inline === null) createOnly(zone, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(signed)));
    };
    const publish = (): void => {
      const put = createOnly(zone, key, bytes, options);
      if (put === null && !upload.isPublished && zone.versionsOf(key)[0]?.bytes !== bytes) {
        tell(`${this.name} finds ${key} taken, and takes another name`);
        return this.upload();
      }
      upload.isPublished = true;
      tell(`${this.name} ${put === null ? "finds stored" : "stores"} ${key}, ${bytes.length} bytes`);
    };
    putStatement();
    if (!last && random.chance(0.04)) {
      tell(`${this.name} dies before it stores ${key}`);
      return;
    }
    const publishMs = inline === null ? random.int(10, 5_000) : 0;
    if (publishMs === 0) publish();
    else clock.after(publishMs, publish);
    // an answer that never came: stored once more, should the mover have taken it already
    if (last || !random.chance(0.25)) return;
    clock.after(publishMs + random.int(500, 40_000), () => {
      putStatement();
      clock.after(inline === null ? random.int(10, 2_000) : 0, publish);
    });
  }
}

/** `If-None-Match: *`; null: refused, since there is one. */
export function createOnly(zone: Zone, key: string, bytes: Uint8Array, options: PutOptions = {}): ZoneVersion | null {
  const latest = zone.list().find((version) => version.key === key);
  return latest === undefined || latest.isMarker ? zone.put(key, bytes, options) : null;
}

function newEpoch(random: Random): string {
  return random.bytes(16).toString("base64url");
}
