import { createHash } from "node:crypto";
import type { CredentialSource, StoreConfig } from "../shared/config/store-config.ts";
import type { PublicKey } from "../shared/keys.ts";
import type { AccessKey } from "../shared/s3/read-credentials.ts";

/** Everything that stands on the emergency kit. */
export interface Kit {
  readonly madeAt: Date;
  /** Airlock's own. */
  readonly version: string;
  readonly vault: StoreConfig;
  /** null: left out. */
  readonly readKey: AccessKey | null;
  /** `AGE-SECRET-KEY-1…` or `AGE-SECRET-KEY-PQ-1…` */
  readonly identity: string;
  readonly words: readonly string[];
  readonly recipient: string;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly hosts: ReadonlyMap<string, readonly PublicKey[]>;
  /** null: the vault was not asked. */
  readonly seen: KitSeen | null;
}

/** What the vault held when the kit was made. */
export interface KitSeen {
  /** The end of each whole ledger. */
  readonly heads: readonly LedgerHead[];
  /** Movers whose ledger is missing or damaged. */
  readonly withoutHead: readonly string[];
  /** `host/set`, in order. */
  readonly sets: readonly string[];
}

export interface LedgerHead {
  readonly mover: string;
  readonly segment: number;
  readonly digest: string;
}

/** By which one printed kit is told from another: 16 hex digits over all that is on it and is no secret. */
export function fingerprintKit(kit: Kit): string {
  const keysOf = (lists: Kit["movers"]): object =>
    Object.fromEntries([...lists].map(([name, keys]) => [name, keys.map(keyValue)]));
  const { bucket, region, endpoint, forcePathStyle } = kit.vault;
  // the order of what follows is part of the fingerprint
  const value = {
    v: 1,
    madeAt: kit.madeAt.toISOString(),
    vault: { bucket, region, endpoint, forcePathStyle },
    accessKeyId: kit.readKey?.accessKeyId ?? null,
    recipient: kit.recipient,
    movers: keysOf(kit.movers),
    hosts: keysOf(kit.hosts),
    heads: kit.seen?.heads ?? null,
  };
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}

/** A post-quantum recipient has 1,959 characters, which nobody compares by eye. */
export function recipientId(recipient: string): string {
  return createHash("sha256").update(recipient).digest("hex").slice(0, 16);
}

function keyValue({ text, from, until }: PublicKey): object {
  return { key: text, from: from?.toISOString() ?? null, until: until?.toISOString() ?? null };
}

/** Characters of an identity that are read and typed together. */
export const GROUP_CHARACTERS = 4;

/** What all identities of a kind begin with, and the groups in which the rest is numbered on the page. */
export function splitIdentity(identity: string): { readonly prefix: string; readonly groups: readonly string[] } {
  const start = identity.lastIndexOf("1") + 1;
  return { prefix: identity.slice(0, start), groups: groupsOf(identity.slice(start)) };
}

export function formatFingerprint(hex: string): string {
  return groupsOf(hex).join(" ");
}

function groupsOf(text: string): readonly string[] {
  return text.match(new RegExp(`.{1,${GROUP_CHARACTERS}}`, "g")) ?? [];
}

export function describeCredentials(source: CredentialSource): string {
  if (source.kind === "profile") return `profile ${source.profile} in ~/.aws`;
  if (source.kind === "files") return `${source.accessKeyIdFile} and ${source.secretAccessKeyFile}`;
  return "the AWS SDK's own chain (environment, ~/.aws, …)";
}
