/** A vault with one host's ledger, to put objects into and restore them from. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import type { EncodingStep } from "../../../shared/statement.ts";
import {
  createHost,
  createLedger,
  keysOf,
  type FixtureLedger,
  type FixtureObject,
  type Host,
  type ObjectOptions,
} from "../../unit/operator/fixture.ts";
import { startVaultServer, type Ran, type VaultServer, type VaultServerOptions } from "./vault-server.ts";

export interface RestoreBench extends AsyncDisposable {
  readonly vault: VaultServer;
  readonly web: Host;
  readonly mover: FixtureLedger;
  readonly identity: string;
  readonly identityFile: string;
  /** A fresh folder for one test. */
  readonly target: () => Promise<string>;
  /** Puts one more object of the host into the vault; `stored` are other bytes than the ones it signed. */
  readonly store: (options: ObjectOptions, stored?: Uint8Array) => Promise<FixtureObject>;
  readonly encode: (bytes: Uint8Array, steps: readonly EncodingStep[], to?: string) => Promise<Uint8Array>;
  /** `airlock restore web1/SET --to TO …` */
  readonly restore: (set: string, to: string, ...args: string[]) => Promise<Ran>;
}

export async function startRestoreBench(options: VaultServerOptions = {}): Promise<RestoreBench> {
  const vault = await startVaultServer(options);
  const web = createHost("web1");
  const mover = createLedger("mover-a");
  const identity = await generateX25519Identity();
  const identityFile = join(vault.folder, "identity.txt");
  await writeFile(identityFile, `# my identity\n${identity}\n`);
  await vault.configure(keysOf(["mover-a", mover.key]), keysOf(["web1", web.key]));
  let folders = 0;
  return {
    vault,
    web,
    mover,
    identity,
    identityFile,
    target: async () => {
      folders += 1;
      const path = join(vault.folder, `target-${folders}`);
      await mkdir(path);
      return path;
    },
    store: async (objectOptions, stored) => {
      const object = web.next(objectOptions);
      mover.append([object.entry]);
      await vault.putLedger(mover);
      await vault.putObject(stored === undefined ? object : { ...object, bytes: stored });
      return object;
    },
    encode: async (bytes, steps, to = identity) => {
      let encoded = bytes;
      for (const step of steps) {
        if (step === "zstd") encoded = zstdCompressSync(encoded);
        if (step === "age") {
          const encrypter = new Encrypter();
          encrypter.addRecipient(await identityToRecipient(to));
          encoded = await encrypter.encrypt(encoded);
        }
      }
      return encoded;
    },
    restore: (set, to, ...args) => vault.run(["restore", `web1/${set}`, "--to", to, ...args]),
    [Symbol.asyncDispose]: () => vault[Symbol.asyncDispose](),
  };
}
