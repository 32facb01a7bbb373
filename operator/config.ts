import { z } from "zod";
import { expectSchema, type Expectation } from "../shared/config/expect.ts";
import { readConfig } from "../shared/config/read-config.ts";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { storeOf, storeSchema } from "../shared/config/store.ts";
import { durationSchema } from "../shared/config/units.ts";
import { hostName, mapOf, moverId, publicKeys, setName } from "../shared/config/values.ts";
import type { PublicKey } from "../shared/keys.ts";

export interface OperatorConfig {
  /** With a key that can only read. */
  readonly vault: StoreConfig;
  /** Whose ledgers count. The operator's own lists: what the vault box says of itself proves nothing. */
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  /** How long the vault's lifecycle rules let objects live; null: as long as its bucket locks them. */
  readonly expireAfterMs: number | null;
  /** Of a host the sets that are restored before all others, in this order: what others need. */
  readonly restoreOrder: ReadonlyMap<string, readonly string[]>;
  /** What should keep coming, by host and set. */
  readonly expect: ReadonlyMap<string, ReadonlyMap<string, Expectation>>;
  /** After so long without a segment a ledger has stopped; so has a host of which no set is expected by name. */
  readonly staleAfterMs: number;
}

/** A daily backup, and two hours for it to be late. */
const DEFAULT_STALE_AFTER_MS = 26 * 3_600_000;

const KEYS = "at least one public key";
const keys = publicKeys.refine((list) => list.length > 0, { error: KEYS });

export const operatorSchema = z
  .strictObject({
    vault: storeSchema({}),
    movers: mapOf(moverId, keys).refine((movers) => movers.size > 0, {
      error: "at least one mover, such as mover-a: [ed25519:…]",
    }),
    hosts: mapOf(hostName, keys).default(new Map()),
    expireAfter: durationSchema({ min: "1d", max: "36600d" }).optional(),
    restoreOrder: mapOf(hostName, z.array(setName, { error: "sets, in order: [base, postgres]" })).default(new Map()),
    expect: mapOf(hostName, expectSchema).default(new Map()),
    staleAfter: durationSchema({ min: "1m", max: "3660d" }).optional(),
  })
  .transform(({ vault, expireAfter, staleAfter, ...given }): OperatorConfig => ({
    ...given,
    vault: storeOf(vault),
    expireAfterMs: expireAfter ?? null,
    staleAfterMs: staleAfter ?? shortestOf(given.expect) ?? DEFAULT_STALE_AFTER_MS,
  }));

/** Where something is expected more or less often than daily, the ledger is heard of as often. */
function shortestOf(expect: OperatorConfig["expect"]): number | null {
  const all = [...expect.values()].flatMap((sets) => Array.from(sets.values(), ({ everyMs }) => everyMs));
  return all.length === 0 ? null : Math.min(...all);
}

/** @throws {AirlockError} `config-invalid`, naming every fault */
export function readOperatorConfig(file: string): Promise<OperatorConfig> {
  return readConfig(file, operatorSchema, "write one (deploy/operator.yaml is a sample)");
}
