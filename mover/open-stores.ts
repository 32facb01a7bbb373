import { AirlockError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { S3Options } from "../shared/s3/client.ts";
import { openCheckpointStore } from "../shared/s3/checkpoint-store.ts";
import { openDropZoneSource } from "../shared/s3/drop-zone-source.ts";
import { judgeStores, type Problem } from "../shared/s3/judge.ts";
import { openLedgers, openLedgerStore, type Ledgers } from "../shared/s3/ledger-store.ts";
import { probeDropZone, type DropZoneFindings } from "../shared/s3/probe-drop-zone.ts";
import { chooseIntegrity, probeVault, type VaultFindings } from "../shared/s3/probe-vault.ts";
import { openVaultReadbackWriter, openVaultWriter } from "../shared/s3/vault-writer.ts";
import type {
  CheckpointStore,
  DropZoneSource,
  LedgerStore,
  StoreClock,
  UploadLister,
  VaultReadbackWriter,
  VaultWriter,
} from "../shared/stores.ts";
import type { MoverConfig } from "./config.ts";

export interface Stores extends AsyncDisposable {
  readonly dropZone: DropZoneSource & UploadLister & StoreClock;
  /** Can read what it archived only with `verify: readback`. */
  readonly vault: (VaultWriter | VaultReadbackWriter) & UploadLister & StoreClock;
  readonly ledgerStore: LedgerStore;
  /** Every mover's. */
  readonly ledgers: Ledgers;
  readonly checkpointStore: CheckpointStore;
  /** Whether these very stores hold what another configuration promises. @throws {AirlockError} `store-unsafe` */
  refuseUnsafe(config: MoverConfig): void;
}

export interface Probed {
  readonly dropZone: DropZoneFindings;
  readonly vault: VaultFindings;
  readonly problems: readonly Problem[];
}

/** How connections are made; nothing of it is for users to set. */
export type Connecting = Pick<S3Options, "timeouts" | "retry" | "onSlowDown">;

/** Finds out what both stores keep of S3's promises, and whether that is enough. */
export async function probeStores(
  config: MoverConfig,
  signal: AbortSignal,
  connecting: Connecting = {},
): Promise<Probed> {
  const dropZone = await probeDropZone(config.dropZone, config.id, signal, connecting);
  const vault = await probeVault(config.vault, config.id, signal, connecting);
  return { dropZone, vault, problems: judge(config, dropZone, vault) };
}

function judge({ verify, hosts }: MoverConfig, dropZone: DropZoneFindings, vault: VaultFindings): readonly Problem[] {
  const foreign = Array.from(hosts.values()).some((host) => host.foreign);
  return judgeStores(dropZone, vault, { verify, foreign });
}

function refuse(problems: readonly Problem[]): void {
  const refusals = problems.filter(({ severity }) => severity === "refuse");
  if (refusals.length === 0) return;
  const lines = refusals.map(({ store, what, remedy }) => `${store}: ${what}\n  ${remedy}`);
  throw new AirlockError("store-unsafe", `these stores cannot be used safely\n${lines.join("\n")}`);
}

/** @throws {AirlockError} `store-unsafe` with every reason and remedy */
export async function openStores(
  config: MoverConfig,
  log: Log,
  signal: AbortSignal,
  connecting: Connecting = {},
): Promise<Stores> {
  const { dropZone, vault, problems } = await probeStores(config, signal, connecting);
  log.info("probed", { ...flatten("dropZone", dropZone), ...flatten("vault", vault) });
  for (const { severity, store, what, remedy } of problems) {
    if (severity === "warn") log.warn("store-weak", { store, reason: what, remedy });
  }
  refuse(problems);
  await using opened = new AsyncDisposableStack();
  const maxConnections = config.concurrency * 2 + 4; // a large object's lanes, the listing and the ledger come on top
  const openVault = config.verify === "readback" ? openVaultReadbackWriter : openVaultWriter;
  const stores = {
    dropZone: opened.use(
      await openDropZoneSource(config.dropZone, { ...connecting, versioned: dropZone.versioned, maxConnections }),
    ),
    vault: opened.use(
      await openVault(config.vault, {
        ...connecting,
        storageClass: config.storageClass,
        integrity: chooseIntegrity(vault),
        maxConnections,
      }),
    ),
    ledgerStore: opened.use(await openLedgerStore(config.vault, config.id, connecting)),
    ledgers: opened.use(await openLedgers(config.vault, connecting)),
    checkpointStore: opened.use(await openCheckpointStore(config.vault, config.id, connecting)),
  };
  const owned = opened.move();
  const refuseUnsafe: Stores["refuseUnsafe"] = (other) => refuse(judge(other, dropZone, vault));
  return { ...stores, refuseUnsafe, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Findings as one level of log fields: `vaultRetentionMode`, … */
function flatten(prefix: string, value: object): Record<string, string | number | boolean | null> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, found]: [string, unknown]) => {
      const key = prefix + name.charAt(0).toUpperCase() + name.slice(1);
      if (typeof found === "object" && found !== null) return Object.entries(flatten(key, found));
      return typeof found === "string" || typeof found === "number" || typeof found === "boolean"
        ? [[key, found]]
        : [[key, null]];
    }),
  );
}
