import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Io } from "../shared/cli.ts";
import { parseConfig } from "../shared/config/read-config.ts";
import { AirlockError } from "../shared/errors.ts";
import { createFile, makeFolder, readSecretFile } from "../shared/files.ts";
import { formatSigningKey, generateSigningKey, parseSigningKey, type SigningKey } from "../shared/keys.ts";
import { hostPolicy, type Policy } from "../shared/policies.ts";
import { readUploaderConfig, uploaderSchema, type UploaderConfig } from "./config.ts";
import { sampleConfig, type SampleValues } from "./sample-config.ts";
import { openState } from "./state.ts";

export interface InitOptions {
  readonly host?: string;
  readonly bucket?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly profile?: string;
  readonly recipient?: readonly string[];
  /** False after `--no-encrypt`. */
  readonly encrypt: boolean;
  readonly signingKey?: string;
  readonly spool: string;
}

/**
 * Makes what is not there yet and replaces nothing: configuration, key, state. Run again, it keeps both files and
 * begins a new epoch, which is what a host restored from a snapshot needs.
 */
export async function runInit(options: InitOptions, io: Io, owner: string): Promise<void> {
  const configFile = resolve(io.configFile);
  const isNew = !existsSync(configFile);
  const config = isNew ? await writeConfig(configFile, options) : await readExisting(configFile, options);
  const key = await makeSigningKey(config.signingKeyFile);
  const { bucket } = config.dropZone;
  using state = openState({ spoolFolder: config.spool, bucket, host: config.host, owner });
  const { epoch } = state.startEpoch();
  const policy = policyOf(config);
  io.print(
    { host: config.host, configFile, signingKeyFile: config.signingKeyFile, publicKey: key.public.text, epoch, policy },
    JSON.stringify(policy, null, 2),
  );
  if (!io.json) io.stderr.write(nextSteps(config, configFile, isNew, key));
}

/** The policy of this host's access key, as `init` and `check` print it. */
export function policyOf({ host, dropZone }: UploaderConfig): Policy {
  const secureTransport = dropZone.endpoint?.startsWith("http:") !== true;
  return hostPolicy({ bucket: dropZone.bucket, host, secureTransport });
}

async function writeConfig(configFile: string, options: InitOptions): Promise<UploaderConfig> {
  const text = sampleConfig(valuesOf(options, configFile));
  // Parsed before it is written: a value that is no good is refused by the same rules as in an edited file.
  const config = parseConfig(text, configFile, uploaderSchema);
  makeFolder(dirname(configFile));
  await createFile(configFile, text, { mode: 0o640 });
  return config;
}

function valuesOf(options: InitOptions, configFile: string): SampleValues {
  const { bucket, region, endpoint = null, profile = null, recipient: recipients = [], spool } = options;
  if (bucket === undefined || region === undefined) {
    throw new AirlockError("usage", "a new configuration needs --bucket and --region", {
      subject: configFile,
      remedy: "name the drop-zone's bucket and its region",
    });
  }
  if (options.encrypt === (recipients.length === 0)) {
    throw new AirlockError("usage", "say either who can decrypt the backups, or that anybody can", {
      remedy: "give --recipient age1… (`airlock keygen` makes one), or --no-encrypt",
    });
  }
  // The part before the first dot: a machine's full name is its owner's as well.
  const host = options.host ?? hostname().split(".")[0]?.toLowerCase() ?? "";
  const signingKeyFile = resolve(options.signingKey ?? join(dirname(configFile), "host.key"));
  return { host, bucket, region, endpoint, profile, recipients, signingKeyFile, spool: resolve(spool) };
}

async function readExisting(configFile: string, options: InitOptions): Promise<UploaderConfig> {
  const given = [
    options.host,
    options.bucket,
    options.region,
    options.endpoint,
    options.profile,
    options.recipient,
    options.signingKey,
  ];
  if (given.some((value) => value !== undefined) || !options.encrypt) {
    throw new AirlockError("target-exists", "the configuration is there already, and is not changed", {
      subject: configFile,
      remedy:
        "edit it, or name another with --config; without options, `init` begins a new sequence and prints the policy",
    });
  }
  return readUploaderConfig(configFile);
}

async function makeSigningKey(file: string): Promise<SigningKey> {
  if (existsSync(file)) return parseSigningKey(await readSecretFile(file), file);
  const key = generateSigningKey();
  makeFolder(dirname(file));
  await createFile(file, formatSigningKey(key), { mode: 0o600 });
  return key;
}

function nextSteps(config: UploaderConfig, configFile: string, isNew: boolean, key: SigningKey): string {
  return `${[
    `${isNew ? "wrote" : "kept"} ${configFile} and ${config.signingKeyFile}; a new sequence has begun`,
    "This host's public key, for `hosts:` in the mover's and the operator's configuration:",
    "",
    `  ${config.host}: { publicKeys: ["${key.public.text}"] }`,
    "",
    `Next: give this host's access key the policy on standard output and no other, make it known to ${configFile}`,
    "(credentials), then run: airlock-uploader check",
  ].join("\n")}\n`;
}
