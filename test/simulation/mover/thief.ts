/** THREATS.md A: whoever holds a host's machine, its S3 key and its signing key. Creates, and can do nothing else. */
import { STATEMENT_SUFFIX } from "../../../shared/names.ts";
import { formatStatement, inlineStatement, signStatement, STATEMENT_METADATA } from "../../../shared/statement.ts";
import { signingKeyOf, type Upload } from "./book.ts";
import { createOnly, type Host, type Surroundings } from "./hosts.ts";
import type { Random } from "./random.ts";

export const THEFTS = [
  "floods with signed objects",
  "floods with junk",
  "uploads without a statement",
  "uploads with a statement of junk",
  "lies about the digest",
  "lies about the size",
  "lies about the key",
  "lies about the host",
  "replays a statement with other bytes",
  "replays a statement under another name",
  "lies in the sequence",
  "repeats a number",
  "chooses names",
  "writes under another host",
  "uploads what cannot be read",
  "puts statements without objects",
  "overwrites what it knows",
  "sets tags",
] as const;
export type Theft = (typeof THEFTS)[number];

const JUNK_STATEMENTS = [
  "",
  "null",
  "{}",
  `{"signature":"${"A".repeat(86)}==","statement":{"__proto__":{"v":1}}}`,
  `${"[".repeat(2_000)}${"]".repeat(2_000)}`,
  "x".repeat(4_096),
  "x".repeat(10_000),
  '{"signature":"","signature":"","statement":{}}',
] as const;

const NAMES = [
  "../../etc/passwd",
  "a/b",
  "\u0001\u0007",
  "x".repeat(900),
  "%2E%2E/%",
  "constructor",
  "a\nb",
  "~0123456789abcdef0123456789abcdef/x",
  "",
] as const;

export function commit(theft: Theft, host: Host, around: Surroundings): void {
  const { random, book, zone, tell } = around;
  tell(`a thief with ${host.name}'s keys ${theft}`);
  const put = (key: string, bytes: Uint8Array, statement: string | null): void => {
    if (statement !== null) createOnly(zone, key + STATEMENT_SUFFIX, Buffer.from(statement));
    createOnly(zone, key, bytes);
  };
  const small = (): Buffer => random.bytes(random.int(0, 300));
  const key = host.newKey();
  const bytes = small();
  switch (theft) {
    case "floods with signed objects":
      for (let count = random.int(10, 25); count > 0; count--) putSigned(host, around);
      return;
    case "floods with junk":
      for (let count = random.int(10, 120); count > 0; count--)
        createOnly(zone, `${host.name}/junk-${random.next()}`, bytes);
      return;
    case "uploads without a statement":
      return put(key, bytes, null);
    case "uploads with a statement of junk":
      return put(key, bytes, random.pick(JUNK_STATEMENTS));
    case "lies about the digest":
      return put(key, bytes, formatStatement(host.state(key, bytes, { sha256: "0".repeat(64) })));
    case "lies about the size":
      return put(key, bytes, formatStatement(host.state(key, bytes, { size: bytes.length + 1 })));
    case "lies about the key":
      return put(key, bytes, formatStatement(host.state(host.newKey(), bytes)));
    case "lies about the host":
      return put(key, bytes, formatStatement(host.state(key, bytes, { host: "another" })));
    case "replays a statement with other bytes":
      return put(key, small(), formatStatement(host.state(key, bytes)));
    case "replays a statement under another name":
      return put(host.newKey(), bytes, formatStatement(host.state(key, bytes)));
    case "lies in the sequence":
      return put(
        key,
        bytes,
        formatStatement(host.state(key, bytes, { seq: random.int(2, 1_000), prev: "a".repeat(64) })),
      );
    case "repeats a number":
      for (let count = 2; count > 0; count--) {
        const other = host.newKey();
        put(other, bytes, formatStatement(host.state(other, bytes, { seq: 1, prev: null })));
      }
      return;
    case "chooses names":
      return put(
        `${random.pick([host.name, "constructor", "_airlock", "", "__proto__"])}/${random.pick(NAMES)}`,
        bytes,
        null,
      );
    case "writes under another host":
      return writeUnderAnother(host, around);
    case "uploads what cannot be read":
      createOnly(zone, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(host.state(key, bytes))));
      zone.put(key, bytes, { isUnreadable: true, storageClass: random.pick(["GLACIER", "STANDARD"]) });
      return;
    case "puts statements without objects":
      for (let count = random.int(1, 10); count > 0; count--) {
        const other = host.newKey();
        createOnly(zone, other + STATEMENT_SUFFIX, Buffer.from(formatStatement(host.state(other, bytes))));
      }
      return;
    case "overwrites what it knows": {
      const known = book.uploads.filter((upload) => upload.host === host.name);
      if (known.length > 0) overwrite(random.pick(known), host, around);
      return;
    }
    case "sets tags":
      zone.put(key, bytes, {
        tags: new Map([["retain", "no"]]),
        metadata: new Map([[STATEMENT_METADATA, inlineStatement(host.state(key, bytes)) ?? ""]]),
      });
      return;
  }
}

function putSigned(host: Host, { random, zone }: Surroundings): void {
  const key = host.newKey();
  const bytes = random.bytes(random.int(0, 50));
  const inline = inlineStatement(host.state(key, bytes));
  if (inline !== null) createOnly(zone, key, bytes, { metadata: new Map([[STATEMENT_METADATA, inline]]) });
}

/** Where a store cannot keep a key below its prefix, only the signature tells. */
function writeUnderAnother(host: Host, { random, zone, book }: Surroundings): void {
  const other = book.uploads.find((upload) => upload.host !== host.name);
  if (other === undefined) return;
  const bytes = random.bytes(200);
  const key = host.newKey().replace(/^[^/]+/, other.host);
  const { statement } = host.state(key, bytes);
  const signed = signStatement({ ...statement, host: other.host }, signingKeyOf(host.name));
  createOnly(zone, key + STATEMENT_SUFFIX, Buffer.from(formatStatement(signed)));
  createOnly(zone, key, bytes);
}

/** With create-only refused; or, where a versioned store does not refuse it, as new versions, as many as it likes. */
function overwrite({ key, bytes: honest }: Upload, host: Host, around: Surroundings): void {
  const { random, zone, tell } = around;
  const bytes = random.bytes(random.int(0, 300));
  if (!zone.options.versioned || random.chance(0.5)) {
    createOnly(zone, key, bytes);
    return;
  }
  tell(`and the store lets it overwrite ${key}`);
  for (let count = overwriteCount(random); count > 0; count--) {
    const kind = random.int(0, 3);
    if (kind === 0) zone.put(key, random.bytes(random.int(0, 300)));
    else if (kind === 1) zone.put(key + STATEMENT_SUFFIX, Buffer.from(random.pick(JUNK_STATEMENTS)));
    else zone.put(key + STATEMENT_SUFFIX, Buffer.from(formatStatement(host.state(key, random.bytes(honest.length)))));
  }
}

function overwriteCount(random: Random): number {
  return random.chance(0.3) ? random.int(10, 40) : random.int(1, 5);
}
