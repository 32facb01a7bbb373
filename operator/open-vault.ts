import type { Io } from "../shared/cli.ts";
import { openVaultReader } from "../shared/s3/vault-reader.ts";
import type { ArchivedObjects, LockReader, VaultReader } from "../shared/stores.ts";
import { readOperatorConfig, type OperatorConfig } from "./config.ts";

export interface OpenVault extends AsyncDisposable {
  readonly config: OperatorConfig;
  readonly reader: VaultReader & LockReader & ArchivedObjects;
}

export async function openVault(io: Io): Promise<OpenVault> {
  const config = await readOperatorConfig(io.configFile);
  const reader = await openVaultReader(config.vault);
  return { config, reader, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() };
}
