import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Io } from "../shared/cli.ts";
import { parseConfig } from "../shared/config/read-config.ts";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { createFile, makeFolder, readSecretFile } from "../shared/files.ts";
import { formatSigningKey, generateSigningKey, parseSigningKey, type SigningKey } from "../shared/keys.ts";
import { newToken } from "../shared/names.ts";
import { formatFindings } from "../shared/powers.ts";
import { printable } from "../shared/printable.ts";
import { openHostProbe } from "../shared/s3/host-probe.ts";
import { describeExcess, proofForPrograms } from "./check-command.ts";
import { proveKey, type KeyProof } from "./check-key.ts";
import { CHECK_SET, readUploaderConfig, uploaderSchema, type UploaderConfig } from "./config.ts";
import { openContext } from "./open-context.ts";
import { policyOf } from "./policy.ts";
import { sampleConfig, type SampleValues } from "./sample-config.ts";
import { openState } from "./state.ts";

/** For all that is tried of the key. */
const TRY_KEY_MS = 20_000;

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
 * Makes what is not there yet and replaces nothing: configuration, key, state; proves what the access key
 * can do, where there is one already. Run again, it keeps both files and begins a new epoch, which is what a host restored
 * from a snapshot needs.
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
  const { host, signingKeyFile } = config;
  const tried = await tryKey(config, io, owner);
  const check = typeof tried === "string" ? { reason: tried } : proofForPrograms(tried);
  io.print(
    { host, configFile, signingKeyFile, publicKey: key.public.text, epoch, policy, check },
    JSON.stringify(policy, null, 2),
  );
  const hasExcess = typeof tried !== "string" && tried.excess.length > 0;
  if (hasExcess) io.exitWith(7);
  if (io.json) return;
  io.stderr.write(whatIsThere(config, configFile, isNew, key));
  if (typeof tried === "string") {
    io.stderr.write(
      `Next: give this host's access key the policy on standard output and no other, make it known to ${configFile}\n` +
        `(credentials), then run: airlock-uploader check\n  The key could not be tried yet: ${printable(tried)}\n`,
    );
    return;
  }
  io.stderr.write(`\n${formatFindings(tried.findings, io.stderr.columns)}`);
  if (hasExcess) {
    io.stderr.write(
      `${describeExcess(tried)}\n  give it the policy on standard output and no other, and look for a bucket policy or ACL that allows more\n`,
    );
  }
}

/**
 * What the key can do, where there is one already that the store answers. Most often there is none: the policy that
 * `init` prints is what it is made with.
 * @returns why it could not be tried
 */
async function tryKey(config: UploaderConfig, io: Io, owner: string): Promise<KeyProof | string> {
  const limit = AbortSignal.timeout(TRY_KEY_MS);
  try {
    // no number of the sequence is spent on a key that can store nothing
    await using probe = await openHostProbe(config.dropZone);
    const begun = await probe.listPartsAndAbort(
      `${config.host}/${CHECK_SET}/${newToken()}`,
      AbortSignal.any([io.abort, limit]),
    );
    if (begun.listParts.verdict === "unknown") return begun.listParts.detail;
    await using opened = await openContext(
      config,
      owner,
      { log: io.log, abort: AbortSignal.any([io.abort, limit]) },
      () => undefined,
    );
    return await proveKey(config, opened.context);
  } catch (error) {
    io.abort.throwIfAborted();
    return limit.aborted ? `no answer within ${TRY_KEY_MS / 1000} s` : toAirlockError(error).message;
  }
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

function whatIsThere(config: UploaderConfig, configFile: string, isNew: boolean, key: SigningKey): string {
  return `${[
    `${isNew ? "wrote" : "kept"} ${configFile} and ${config.signingKeyFile}; a new sequence has begun`,
    "This host's public key, for `hosts:` in the mover's and the operator's configuration:",
    "",
    `  ${config.host}: { publicKeys: ["${key.public.text}"] }`,
    "",
  ].join("\n")}\n`;
}
