/** Objects as an attacker, a mistake or another program would leave them in the drop-zone: put with its owner's key. */
import { createHash, randomBytes } from "node:crypto";
import { PutObjectCommand, type PutObjectCommandInput } from "@aws-sdk/client-s3";
import { parseSegment, type Segment } from "../../../shared/ledger.ts";
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../../../shared/names.ts";
import {
  formatStatement,
  signStatement,
  STATEMENT_METADATA,
  type SignedStatement,
  type Statement,
} from "../../../shared/statement.ts";
import { DROP_ZONE, type World } from "../../support/world.ts";

export function newKey(host: string, name = "file.bin"): string {
  return formatDropZoneName({ host, set: "files", at: new Date(), token: newToken(), name });
}

/** What an honest host would state of these bytes, but for the changes. In an epoch of its own. */
export function stateOf(host: string, key: string, bytes: Uint8Array, changes: Partial<Statement> = {}): Statement {
  return {
    v: 1,
    bucket: DROP_ZONE,
    key,
    host,
    set: "files",
    epoch: randomBytes(16).toString("base64url"),
    seq: 1,
    prev: null,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    encoding: [],
    startedAt: new Date().toISOString(),
    ...changes,
  };
}

export function sign(world: World, signer: string, statement: Statement): SignedStatement {
  const key = world.hostKeys.get(signer);
  if (key === undefined) throw new Error(`no such host: ${signer}`);
  return signStatement(statement, key);
}

/** Base64url, as it stands in an object's metadata. */
export function inline(statement: SignedStatement | string): string {
  const text = typeof statement === "string" ? statement : formatStatement(statement);
  return Buffer.from(text).toString("base64url");
}

export async function put(
  world: World,
  key: string,
  bytes: Uint8Array,
  more: Partial<PutObjectCommandInput> = {},
): Promise<void> {
  await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key: key, Body: bytes, ...more }));
}

export async function putInline(
  world: World,
  key: string,
  bytes: Uint8Array,
  statement: SignedStatement | string,
): Promise<void> {
  await put(world, key, bytes, { Metadata: { [STATEMENT_METADATA]: inline(statement) } });
}

/** Beside the object, in this order. */
export async function putBeside(
  world: World,
  key: string,
  bytes: Uint8Array,
  statements: readonly (SignedStatement | string)[],
): Promise<void> {
  for (const statement of statements) {
    const text = typeof statement === "string" ? statement : formatStatement(statement);
    await put(world, key + STATEMENT_SUFFIX, Buffer.from(text));
  }
  await put(world, key, bytes);
}

/** The whole of a mover's ledger, as it lies in the vault. */
export async function readLedger(world: World, mover = "mover-a"): Promise<readonly Segment[]> {
  const names = (await world.listVault(`_airlock/ledger/${mover}/`)).map(({ key }) => key).toSorted();
  const segments: Segment[] = [];
  for (const [index, name] of names.entries())
    segments.push(parseSegment(await world.readVault(name), mover, index + 1));
  return segments;
}

/** One line of a program's log, of this event. */
export function eventsOf(stderr: string, event: string): readonly Readonly<Record<string, unknown>>[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>) // pino writes objects only
    .filter((line) => line.event === event);
}
