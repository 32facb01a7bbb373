import type { StoreConfig } from "../config/store-config.ts";
import type { ArchivedObjects, LockReader, VaultReader } from "../stores.ts";
import { openArchivedObjects } from "./archived-objects.ts";
import { openS3, type S3Options } from "./client.ts";
import { listMovers, readLedger } from "./ledger-store.ts";
import { listVersions } from "./list.ts";
import { openLockReader } from "./lock-reader.ts";

export async function openVaultReader(
  config: StoreConfig,
  options: S3Options = {},
): Promise<VaultReader & LockReader & ArchivedObjects & AsyncDisposable> {
  const store = await openS3(config, options);
  return {
    ...openLockReader(store),
    ...openArchivedObjects(store),
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
