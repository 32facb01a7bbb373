/** Two accounts on one server with what `airlock audit` is tried on: objects, an archive, every role's key. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateMultipartUploadCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutObjectTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Role } from "../../operator/audit-choices.ts";
import { auditKey, type Audit } from "../../operator/audit.ts";
import { generateSigningKey } from "../../shared/keys.ts";
import { buildSegment, formatEntry, type Entry } from "../../shared/ledger.ts";
import {
  hostPolicy,
  moverDropZonePolicy,
  moverVaultPolicy,
  operatorPolicy,
  type Policy,
} from "../../shared/policies.ts";
import { openAuditProbe } from "../../shared/s3/audit-probe.ts";
import type { Credentials, RunningServer, StoreAccount } from "../servers/server.ts";
import { snapshotAccount } from "../support/snapshot-account.ts";

type Key = ((bucket: string) => Policy) | "own" | "root";

export interface AuditStand {
  /** With the role's own policy, another one, or the account's root key. */
  audit(role: Role, key: Key): Promise<Audit>;
  snapshot(): Promise<unknown>;
}

export async function openAuditStand(server: RunningServer, stack: AsyncDisposableStack): Promise<AuditStand> {
  const dir = await mkdtemp(join(tmpdir(), "airlock-audit-"));
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const run = randomBytes(4).toString("hex");
  const buckets = { dropZone: `audit-in-${run}`, vault: `audit-out-${run}` };
  const ownerOf = ({ endpoint, owner }: StoreAccount): S3Client => {
    const client = new S3Client({
      endpoint,
      region: server.region,
      credentials: owner,
      forcePathStyle: true,
      maxAttempts: 1,
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    stack.defer(() => client.destroy());
    return client;
  };
  const owners = { dropZone: ownerOf(server.dropZone), vault: ownerOf(server.vault) };
  await server.dropZone.createBucket(buckets.dropZone, { versioning: true });
  await server.vault.createBucket(buckets.vault, { objectLock: true });
  await fill(owners, buckets);

  let users = 0;
  const keyOf = async (role: Role, key: Key): Promise<Credentials> => {
    const account = isInDropZone(role) ? server.dropZone : server.vault;
    const bucket = isInDropZone(role) ? buckets.dropZone : buckets.vault;
    if (key === "root") return account.owner;
    return account.createUser(`audited-${run}-${++users}`, bucket, [
      key === "own" ? policyOf(role, bucket) : key(bucket),
    ]);
  };
  return {
    async audit(role, key) {
      const credentials = await keyOf(role, key);
      const { endpoint } = isInDropZone(role) ? server.dropZone : server.vault;
      const bucket = isInDropZone(role) ? buckets.dropZone : buckets.vault;
      return await auditWith({ dir, endpoint, region: server.region, bucket, role, credentials });
    },
    snapshot: async () => [await snapshotAccount(owners.dropZone), await snapshotAccount(owners.vault)],
  };
}

export interface AuditedKey {
  /** For the key's files. */
  readonly dir: string;
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly role: Role;
  readonly credentials: Credentials;
}

/** `airlock audit` with this key, in this process. */
export async function auditWith({ dir, endpoint, region, bucket, role, credentials }: AuditedKey): Promise<Audit> {
  const accessKeyIdFile = join(dir, credentials.accessKeyId);
  const secretAccessKeyFile = `${accessKeyIdFile}.secret`;
  await writeFile(accessKeyIdFile, credentials.accessKeyId);
  await writeFile(secretAccessKeyFile, credentials.secretAccessKey, { mode: 0o600 });
  await using probe = await openAuditProbe({
    bucket,
    region,
    endpoint,
    forcePathStyle: true,
    credentials: { kind: "files", accessKeyIdFile, secretAccessKeyFile },
    expectedBucketOwner: null,
    checksums: "auto",
  });
  const host = isInDropZone(role) ? "web1" : null;
  const intended = { role, host, foreign: false, readback: false, queueUrl: null };
  return await auditKey(probe, null, intended, AbortSignal.timeout(120_000));
}

export function isInDropZone(role: Role): boolean {
  return role === "host" || role === "mover-drop-zone";
}

/** As `init` prints it, for a store on loopback without TLS. */
function policyOf(role: Role, bucket: string): Policy {
  const secureTransport = false;
  if (role === "host") return hostPolicy({ bucket, host: "web1", secureTransport });
  if (role === "mover-drop-zone") return moverDropZonePolicy({ bucket, versioned: true, secureTransport });
  if (role === "mover-vault") return moverVaultPolicy({ bucket, verify: "checksum", secureTransport });
  return operatorPolicy({ bucket, secureTransport });
}

/** What a production account has in it: objects of hosts, an open upload, an archive that is locked and recorded. */
export async function fill(
  { dropZone, vault }: { readonly dropZone: S3Client; readonly vault: S3Client },
  buckets: { readonly dropZone: string; readonly vault: string },
): Promise<void> {
  const waiting = { Bucket: buckets.dropZone, Key: "web1/etc/waiting" };
  await dropZone.send(new PutObjectCommand({ ...waiting, Body: "waiting" }));
  await dropZone.send(new PutObjectCommand({ ...waiting, Body: "a second version" }));
  await dropZone.send(
    new PutObjectTaggingCommand({ ...waiting, Tagging: { TagSet: [{ Key: "kept", Value: "yes" }] } }),
  );
  await dropZone.send(new CreateMultipartUploadCommand({ Bucket: buckets.dropZone, Key: "web2/etc/under-way" }));
  const Tagging = { TagSet: [{ Key: "owner", Value: "acme" }] };
  await dropZone.send(new PutBucketTaggingCommand({ Bucket: buckets.dropZone, Tagging }));

  const Rule = { DefaultRetention: { Mode: "COMPLIANCE", Days: 1 } } as const;
  const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled", Rule } as const;
  await vault.send(new PutObjectLockConfigurationCommand({ Bucket: buckets.vault, ObjectLockConfiguration }));
  const name = "archive/web1/etc/~00000000000000000000000000000000/archived";
  const put = async (Key: string, Body: Buffer): Promise<string | null> => {
    const command = new PutObjectCommand({ Bucket: buckets.vault, Key, Body, ChecksumAlgorithm: "SHA256" });
    return (await vault.send(command)).VersionId ?? null;
  };
  const versionId = await put(name, Buffer.from("archived"));
  await put("_airlock/ledger/mover-a/000000000001.jsonl", segmentOf(name, versionId));
}

function segmentOf(name: string, versionId: string | null): Buffer {
  const at = new Date().toISOString();
  const source = {
    bucket: "b",
    key: "web1/etc/archived",
    versionId: "v",
    etag: "e",
    size: 8,
    lastModified: at,
    tags: [],
  };
  const entry: Entry = {
    index: 1,
    at,
    source,
    vault: { name, versionId },
    sha256: "0".repeat(64),
    statement: null,
    signature: null,
    hostKey: null,
    exposureMs: 1,
    exposureFrom: "object",
    disposition: "archived",
    findings: [],
  };
  const header = { v: 1, mover: "mover-a", segment: 1, prev: null, writtenAt: at } as const;
  return buildSegment(header, [formatEntry(entry)], null, generateSigningKey());
}
