import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError } from "../errors.ts";
import type { LedgerStore, VaultReader } from "../stores.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { nonsense } from "./errors.ts";
import { decodeKey, listLatest } from "./list.ts";
import { createObject } from "./uploads.ts";

const LEDGER_PREFIX = "_airlock/ledger/";
/** Numbers begin with 1: a name with 0 is none, and must not keep anybody from reading the others. */
const SEGMENT_NAME = /^(?!0{12})(\d{12})\.jsonl$/;
const MAX_SEGMENT_BYTES = 2 * 1024 * 1024;
const PAGE = 1000;
/** More movers than anybody has; beyond that a listing is not believed. */
const MAX_MOVERS = 10_000;

/** All movers' ledgers, to read. */
export type Ledgers = Pick<VaultReader, "listMovers" | "ledgerOf">;

export async function openLedgers(config: StoreConfig, options: S3Options = {}): Promise<Ledgers & AsyncDisposable> {
  const store = await openS3(config, options);
  return {
    listMovers: (signal) => listMovers(store, signal),
    ledgerOf: (mover) => readLedger(store, mover),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

export async function openLedgerStore(
  config: StoreConfig,
  mover: string,
  options: S3Options = {},
): Promise<LedgerStore & AsyncDisposable> {
  const store = await openS3(config, options);
  return {
    ...readLedger(store, mover),
    async createSegment(segment, bytes, signal) {
      const attributes = { metadata: new Map<string, string>(), contentType: "application/jsonl" };
      await createObject(store, segmentName(mover, segment), bytes, { attributes, signal }, "STANDARD");
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** The reading half, which the operator has too. */
export function readLedger(store: S3Store, mover: string): Pick<LedgerStore, "listSegments" | "readSegment"> {
  const prefix = `${LEDGER_PREFIX}${mover}/`;

  async function* listSegments(after: number, signal: AbortSignal): AsyncIterable<number> {
    let latest = after;
    let cursor: string | null = null;
    const startAfter = after === 0 ? null : segmentName(mover, after);
    do {
      const page = await listLatest(store, { prefix, cursor, limit: PAGE, signal }, startAfter);
      for (const { key } of page.versions) {
        const match = SEGMENT_NAME.exec(key.slice(prefix.length));
        const segment = Number(match?.[1] ?? 0);
        // a name that is not a segment's (they count from 1) must not keep anyone from reading the others
        if (segment === 0) continue;
        if (segment <= latest) throw nonsense(store.describe("ListObjectsV2", "read", prefix), "segments out of order");
        latest = segment;
        yield segment;
      }
      cursor = page.next;
    } while (cursor !== null);
  }

  async function readSegment(segment: number, signal: AbortSignal): Promise<Uint8Array> {
    const key = segmentName(mover, segment);
    return store.repeat(signal, async () => {
      const opened = await store.bytes.getObject({ key, versionId: null, range: null, ifMatch: null, signal });
      if (opened.sizeBytes > MAX_SEGMENT_BYTES) {
        opened.close();
        throw new AirlockError("ledger-corrupt", `a ledger segment of ${opened.sizeBytes} bytes`, {
          subject: `s3://${store.config.bucket}/${key}`,
          remedy: "no mover writes segments of over 2 MiB: find out who wrote this one",
        });
      }
      return Buffer.concat(await Array.fromAsync(opened.body));
    });
  }

  return { listSegments, readSegment };
}

function segmentName(mover: string, segment: number): string {
  return `${LEDGER_PREFIX}${mover}/${String(segment).padStart(12, "0")}.jsonl`;
}

/** The folders below `_airlock/ledger/`. */
export async function listMovers(store: S3Store, signal: AbortSignal): Promise<readonly string[]> {
  const call = store.describe("ListObjectsV2", "read", LEDGER_PREFIX);
  const movers = new Set<string>();
  let token: string | undefined;
  do {
    const input = {
      ...store.owned,
      Prefix: LEDGER_PREFIX,
      Delimiter: "/",
      EncodingType: "url" as const,
      ContinuationToken: token,
    };
    const page = await store.run(call, signal, () =>
      store.client.send(new ListObjectsV2Command(input), { abortSignal: signal }),
    );
    for (const { Prefix = "" } of page.CommonPrefixes ?? []) {
      const name = page.EncodingType === "url" ? decodeKey(Prefix) : Prefix;
      if (!name.startsWith(LEDGER_PREFIX) || !name.endsWith("/")) throw nonsense(call, "a folder outside the prefix");
      movers.add(name.slice(LEDGER_PREFIX.length, -1));
    }
    if (movers.size > MAX_MOVERS) throw nonsense(call, `more than ${MAX_MOVERS} movers`);
    const next = page.IsTruncated === true ? (page.NextContinuationToken ?? "") : undefined;
    if (next === "" || (next !== undefined && next === token))
      throw nonsense(call, "the listing goes on and does not move");
    token = next;
  } while (token !== undefined);
  return [...movers].toSorted();
}
