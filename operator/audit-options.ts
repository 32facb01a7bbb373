/** What `airlock audit` is asked: whose key, and where. Bad input is told before anything is sent. */
import { isAbsolute, resolve } from "node:path";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { storeOf, storeSchema } from "../shared/config/store.ts";
import { AirlockError } from "../shared/errors.ts";
import { isHostName } from "../shared/names.ts";
import { SOURCES, type Role } from "./audit-choices.ts";

export interface AuditOptions {
  readonly credentials?: string;
  readonly role: Role;
  readonly host?: string;
  readonly bucket?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly pathStyle?: true;
  readonly allowPlaintext?: true;
  readonly bucketOwner?: string;
  readonly checksums?: string;
  readonly foreign?: true;
  readonly readback?: true;
  readonly queueUrl?: string;
}

/** What the key should be for. */
export interface Intended {
  readonly role: Role;
  /** Whose objects it is about; null in the vault. */
  readonly host: string | null;
  /** The host writes by other means than Airlock: without the create-only condition. */
  readonly foreign: boolean;
  /** The mover reads again what it archives. */
  readonly readback: boolean;
  readonly queueUrl: string | null;
}

export function intendedOf({ role, host, foreign, readback, queueUrl }: AuditOptions): Intended {
  const isDropZone = role === "host" || role === "mover-drop-zone";
  if (isDropZone && host === undefined) {
    throw usage(
      `--role ${role} needs --host NAME`,
      role === "host" ? "whose key it is" : "any host, at whose place it is tried",
    );
  }
  if (host !== undefined && !isHostName(host)) {
    throw usage(`--host: not a host's name: ${host}`, "1 to 63 of a-z, 0-9, '.', '_' and '-'");
  }
  return {
    role,
    host: isDropZone ? (host ?? null) : null,
    foreign: foreign === true,
    readback: readback === true,
    queueUrl: queueUrl ?? null,
  };
}

/**
 * The bucket with the key to try. A vault's may be left out: it is the configuration's then, and so is the operator's
 * own key.
 */
export async function targetOf(
  options: AuditOptions,
  configuredVault: () => Promise<StoreConfig>,
): Promise<StoreConfig> {
  const { role, credentials, bucket, region, bucketOwner } = options;
  const isVault = role === "mover-vault" || role === "operator";
  if (bucket === undefined) {
    if (!isVault) throw usage(`--role ${role} needs --bucket and --region`, "the drop-zone's");
    const vault = await configuredVault();
    if (credentials !== undefined)
      return { ...vault, credentials: storeOf(parse({ ...SOME, credentials })).credentials };
    if (role === "operator") return vault;
    throw usage("whose key is to be tried?", `--credentials ${SOURCES}`);
  }
  if (credentials === undefined) throw usage("whose key is to be tried?", `--credentials ${SOURCES}`);
  return storeOf(
    parse({
      credentials,
      bucket,
      region,
      endpoint: options.endpoint,
      forcePathStyle: options.pathStyle === true,
      allowPlaintext: options.allowPlaintext === true,
      expectedBucketOwner: bucketOwner,
      checksums: options.checksums ?? "auto",
    }),
  );
}

/** For when only credentials are looked at. */
const SOME = { bucket: "any", region: "any" };
const schema = storeSchema({});
/** By the options that people give. */
const OPTION_OF: ReadonlyMap<string, string> = new Map([
  ["forcePathStyle", "path-style"],
  ["expectedBucketOwner", "bucket-owner"],
]);

function parse({ credentials, ...given }: { readonly credentials: string; readonly [key: string]: unknown }) {
  const parsed = schema.safeParse({ ...given, credentials: sourceOf(credentials) });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => {
    const key = String(path[0] ?? "");
    return `--${OPTION_OF.get(key) ?? key}: expected ${message}`;
  });
  throw usage(faults.join("\n"), "see airlock audit --help");
}

/** In the form of a configuration's `credentials`; undefined is the SDK's own chain. */
function sourceOf(text: string): object | undefined {
  if (text === "env") return undefined;
  const [kind, value] = [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)];
  if (kind === "profile" && value !== "") return { profile: value };
  const files = value.split(",").map((path) => (isAbsolute(path) ? path : resolve(path)));
  const [accessKeyIdFile, secretAccessKeyFile] = files;
  if (kind === "files" && files.length === 2) return { accessKeyIdFile, secretAccessKeyFile };
  // not told back: who mistakes the form may have put a secret there
  throw usage("--credentials names no source", SOURCES);
}

function usage(message: string, remedy: string): AirlockError {
  return new AirlockError("usage", message, { remedy });
}
