import type { PublicKey } from "../shared/keys.ts";
import type { AccessKey } from "../shared/s3/read-credentials.ts";
import type { Kit } from "./kit.ts";
import { CODE_COLUMNS } from "./kit-sheet.ts";

/** The operator's configuration as it is to be typed; the key comes from the environment. */
export function kitConfiguration({ vault, movers, hosts }: Kit): readonly string[] {
  return [
    "vault:",
    `  bucket: ${vault.bucket}`,
    `  region: ${vault.region}`,
    ...(vault.endpoint === null ? [] : [`  endpoint: "${vault.endpoint}"`]),
    ...(isPlaintext(vault.endpoint) ? ["  allowPlaintext: true"] : []),
    ...(vault.forcePathStyle ? ["  forcePathStyle: true"] : []),
    ...(vault.expectedBucketOwner === null ? [] : [`  expectedBucketOwner: "${vault.expectedBucketOwner}"`]),
    ...(vault.checksums === "auto" ? [] : [`  checksums: ${vault.checksums}`]),
    ...keyLines("movers", movers),
    ...keyLines("hosts", hosts),
  ];
}

function isPlaintext(endpoint: string | null): boolean {
  return endpoint?.startsWith("http:") === true;
}

function keyLines(heading: string, lists: ReadonlyMap<string, readonly PublicKey[]>): readonly string[] {
  if (lists.size === 0) return [];
  const lines = [...lists].flatMap(([name, keys]) => {
    const [first, ...others] = keys;
    const isPlain = first !== undefined && others.length === 0 && first.from === null && first.until === null;
    const short = `  ${name}: ["${first?.text}"]`;
    return isPlain && short.length <= CODE_COLUMNS ? [short] : [`  ${name}:`, ...keys.flatMap(listedKey)];
  });
  return [`${heading}:`, ...lines];
}

function listedKey({ text, from, until }: PublicKey): readonly string[] {
  if (from === null && until === null) return [`    - "${text}"`];
  return [
    `    - key: "${text}"`,
    ...(from === null ? [] : [`      from: ${from.toISOString()}`]),
    ...(until === null ? [] : [`      until: ${until.toISOString()}`]),
  ];
}

/** The lines that put the key where Airlock and other S3 clients look for it. */
export function keyExports({ accessKeyId, secretAccessKey }: AccessKey): readonly string[] {
  return [
    `export AWS_ACCESS_KEY_ID=${shellWord(accessKeyId)}`,
    `export AWS_SECRET_ACCESS_KEY=${shellWord(secretAccessKey)}`,
  ];
}

/** A step of a restore: what it is for, and the lines to type. */
export interface Step {
  readonly text: string;
  readonly commands: readonly string[];
}

export function stepsWithAirlock(kit: Kit): readonly Step[] {
  return [
    {
      text:
        `Airlock ${kit.version} or newer, on Node.js 24.12 or newer. In an empty folder, with the key of page 1 in the ` +
        "environment and operator.yaml as it stands below:",
      commands: ["umask 077", "airlock --config operator.yaml ls", "airlock --config operator.yaml verify"],
    },
    {
      text: "Each set on its own; --at TIME for an earlier one. It asks for the identity of page 1: the line, or the words.",
      commands: [`airlock --config operator.yaml restore ${exampleSet(kit)} --to restored`],
    },
    {
      text: "Whether this paper still says what it should (it asks for the identity):",
      commands: ["airlock --config operator.yaml kit --verify"],
    },
  ];
}

export function stepsWithoutAirlock(kit: Kit): readonly Step[] {
  const { bucket, region, endpoint, forcePathStyle } = kit.vault;
  const at = endpoint === null ? "" : ` --endpoint-url ${shellWord(endpoint)}`;
  const address = `s3://${bucket}`;
  const set = exampleSet(kit);
  const name = "backup.tar.zst.age";
  return [
    {
      text: "With any S3 client; here AWS's own, with the key of page 1 in the environment. The newest names come last:",
      commands: [
        "umask 077",
        `export AWS_DEFAULT_REGION=${region}`,
        ...(forcePathStyle ? ["aws configure set default.s3.addressing_style path"] : []),
        `aws s3 ls --recursive ${address}/archive/${set}/${at} | sort -k 4`,
        `aws s3 cp${at} ${address}/NAME ${name}`,
      ],
    },
    {
      text: "That these are the recorded bytes: the ledger has their digest (printed once for each time it was recorded).",
      commands: [
        `aws s3 cp --recursive${at} ${address}/_airlock/ledger/ ledger/`,
        `grep -rhoF "$(sha256sum ${name} | cut -d ' ' -f 1)" ledger`,
      ],
    },
    {
      text: `The identity into a file: type the line of page 1, Enter, Ctrl-D.${isPostQuantum(kit) ? " It needs age 1.3 or newer." : ""}`,
      commands: ["cat > identity.txt"],
    },
    {
      text: "A name that ends in .tar.zst.age is a folder. For another leave out the steps that its end does not show, from the right:",
      commands: [
        "mkdir -p restored",
        `age -d -i identity.txt ${name} | zstd -d | tar -x -C restored`,
        "age -d -i identity.txt shop.dump.zst.age | zstd -d > shop.dump",
      ],
    },
  ];
}

function isPostQuantum({ identity }: Kit): boolean {
  return identity.startsWith("AGE-SECRET-KEY-PQ-");
}

function exampleSet({ seen }: Kit): string {
  return seen?.sets[0] ?? "HOST/SET";
}

/** As a shell takes it: quoted where it holds anything that could mean something to one. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:+=,@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
