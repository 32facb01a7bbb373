import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import type { VaultReader } from "../stores.ts";
import { openS3, type S3Options, type S3Store } from "./client.ts";
import { nonsense } from "./errors.ts";
import { LEDGER_PREFIX, readLedger } from "./ledger-store.ts";
import { decodeKey, listVersions } from "./list.ts";

/** More movers than anybody has; beyond that a listing is not believed. */
const MAX_MOVERS = 10_000;

export async function openVaultReader(
  config: StoreConfig,
  options: S3Options = {},
): Promise<VaultReader & AsyncDisposable> {
  const store = await openS3(config, options);
  return {
    bucket: config.bucket,
    // versions, and not what is latest: a delete marker must not hide anything from `verify`
    listPage: (page) => listVersions(store, page),
    openObject: (name, versionId, range, signal) =>
      store.repeat(signal, () => store.bytes.getObject({ key: name, versionId, range, ifMatch: null, signal })),
    listMovers: (signal) => listMovers(store, signal),
    ledgerOf: (mover) => readLedger(store, mover),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** The folders below `_airlock/ledger/`. */
async function listMovers(store: S3Store, signal: AbortSignal): Promise<readonly string[]> {
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
