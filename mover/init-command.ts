import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Io } from "../shared/cli.ts";
import { parseConfig } from "../shared/config/read-config.ts";
import { AirlockError } from "../shared/errors.ts";
import { createFile, makeFolder } from "../shared/files.ts";
import { formatSigningKey, generateSigningKey } from "../shared/keys.ts";
import { eventQueuePolicy, moverDropZonePolicy, moverVaultPolicy, queueArnOf } from "../shared/policies.ts";
import { moverSchema } from "./config.ts";

export interface InitOptions {
  readonly id: string;
  readonly dropZone: string;
  readonly vault: string;
  readonly region: string;
  readonly vaultRegion?: string;
  readonly endpoint?: string;
  readonly vaultEndpoint?: string;
  readonly unversioned?: true;
  readonly readback?: true;
  readonly queueUrl?: string;
  readonly share?: string;
  readonly state: string;
}

/** Writes the configuration and, beside it, the key. What is there already is never replaced. */
export async function runInit(io: Io, options: InitOptions): Promise<void> {
  const folder = dirname(resolve(io.configFile));
  const keyFile = join(folder, "mover.key");
  const text = sampleConfig(options, keyFile);
  // a mistake in the options is told before anything is written; the sample's only flaw may be its missing hosts
  parseConfig(`${text}hosts: { host: { signatures: none } }\n`, io.configFile, moverSchema);
  for (const file of [keyFile, io.configFile]) {
    if (!existsSync(file)) continue; // if one comes into being right now, it is not replaced either
    const remedy = "move it away first, if it really is to be replaced";
    throw new AirlockError("target-exists", "the file is there already", { subject: file, remedy });
  }
  const key = generateSigningKey();
  makeFolder(folder);
  await createFile(keyFile, formatSigningKey(key), { mode: 0o600 });
  await createFile(io.configFile, `${text}${HOSTS}`, { mode: 0o640 });
  const queueArn = options.queueUrl === undefined ? null : queueArnOf(options.queueUrl, options.region);
  const policies = {
    dropZone: moverDropZonePolicy({
      bucket: options.dropZone,
      secureTransport: isSecure(options.endpoint),
      versioned: options.unversioned !== true,
      ...(queueArn === null ? {} : { queueArn }),
    }),
    vault: moverVaultPolicy({
      bucket: options.vault,
      secureTransport: isSecure(options.vaultEndpoint),
      verify: options.readback === true ? "readback" : "checksum",
    }),
    ...(queueArn === null ? {} : { queue: eventQueuePolicy({ bucket: options.dropZone, queueArn }) }),
  };
  io.print(
    { publicKey: key.public.text, keyFile, configFile: io.configFile, policies },
    JSON.stringify(policies, null, 2),
  );
  if (io.json) return;
  io.stderr.write(
    [
      `wrote ${keyFile} and ${io.configFile}`,
      `public key, for the operators' configuration:`,
      `  movers: { ${options.id}: ["${key.public.text}"] }`,
      ...(queueArn === null ? [] : ["the queue's own access policy is `queue`, above: the bucket may write into it"]),
      "next: give each of the two keys its policy (above, on standard output: dropZone, vault), put the keys into the",
      `  profiles dropzone-mover and vault-mover, add the hosts to ${io.configFile}, then run: airlock-mover check`,
      "",
    ].join("\n"),
  );
}

const HOSTS = `# Whose objects are moved; the public key is what \`airlock-uploader init\` prints on the host.
hosts:
  #web1: { publicKeys: ["ed25519:…"] }
`;

function sampleConfig(options: InitOptions, keyFile: string): string {
  const store = (bucket: string, region: string, endpoint: string | undefined, profile: string): string =>
    [
      `  bucket: ${quote(bucket)}`,
      `  region: ${quote(region)}`,
      ...(endpoint === undefined ? [] : [`  endpoint: ${quote(endpoint)}`, "  forcePathStyle: true"]),
      `  credentials: { profile: ${profile} }`,
    ].join("\n");
  return `# airlock-mover; every key is documented in deploy/mover.yaml.
id: ${quote(options.id)}
signingKey: ${quote(keyFile)}
dropZone:
${store(options.dropZone, options.region, options.endpoint, "dropzone-mover")}
vault:
${store(options.vault, options.vaultRegion ?? options.region, options.vaultEndpoint, "vault-mover")}${options.readback === true ? "\n  verify: readback" : ""}
${discoverYaml(options)}state: ${quote(resolve(options.state))}
`;
}

function discoverYaml({ queueUrl, share }: InitOptions): string {
  if (queueUrl === undefined && share === undefined) return "";
  return [
    "discover:",
    ...(queueUrl === undefined ? [] : [`  sqs: { queueUrl: ${quote(queueUrl)} }`]),
    ...(share === undefined ? [] : [`  share: ${share}`]),
    "",
  ].join("\n");
}

/** YAML reads a JSON string as it is. */
function quote(text: string): string {
  return JSON.stringify(text);
}

/** Whether the policies can insist on TLS. Without an endpoint it is AWS's own. */
export function isSecure(endpoint: string | null | undefined): boolean {
  return !endpoint?.startsWith("http:");
}
