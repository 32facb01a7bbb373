/**
 * What any key can do, tried for real and without harm: the attempts of the mover's `check`, and those that only
 * `airlock audit` makes. What they bring into being all the same, `tidy` removes or names.
 */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectAclCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { bucketAttempts, type BucketAttempts } from "./audit-bucket.ts";
import { uploadAttempts, type UploadAttempts } from "./audit-uploads.ts";
import type { S3Options, S3Store } from "./client.ts";
import { openKeyProbe, type Attempt, type KeyProbe } from "./key-probe.ts";
import { readLedger, listMovers, type Ledgers } from "./ledger-store.ts";
import { watchLeftovers, type Leftovers } from "./leftovers.ts";
import { BODY, moverAttempts, OTHER_ETAG, type MoverProbe } from "./mover-probe.ts";

export interface Put {
  readonly attempt: Attempt;
  readonly versionId: string | null;
}

export interface ObjectAttempts {
  /** For real, of a fresh name. */
  put(key: string, createOnly: boolean, signal: AbortSignal): Promise<Put>;
  /** Only if the source has another object's ETag. */
  copy(from: string, to: string, signal: AbortSignal): Promise<Attempt>;
  readMark(mark: "ACL" | "retention" | "legal hold", key: string, signal: AbortSignal): Promise<Attempt>;
  /** For real, of the auditor's own. */
  deleteOwn(key: string, versionId: string | null, signal: AbortSignal): Promise<Attempt>;
  /** One below the prefix, if the key may list there and finds one. */
  findObject(
    prefix: string,
    signal: AbortSignal,
  ): Promise<{ readonly key: string; readonly versionId: string | null } | null>;
}

export interface AuditProbe
  extends
    Omit<MoverProbe, "putOwn" | "removeOwn" | "beginUpload" | "write" | "refusesWrongBytes">,
    ObjectAttempts,
    UploadAttempts,
    BucketAttempts,
    Ledgers,
    Leftovers {}

export async function openAuditProbe(config: StoreConfig, options: S3Options = {}): Promise<AuditProbe> {
  const probe = await openKeyProbe(config, options);
  const { store } = probe;
  return {
    ...moverAttempts(probe),
    ...uploadAttempts(probe),
    ...bucketAttempts(probe),
    ...objectAttempts(probe, store),
    ...watchLeftovers(store),
    listMovers: (signal) => listMovers(store, signal),
    ledgerOf: (mover) => readLedger(store, mover),
  };
}

/** What whoever may read it hears where there is none. */
const NOT_SET = [
  "NoSuchObjectLockConfiguration",
  "ObjectLockConfigurationNotFoundError",
  "NoSuchKey",
  "InvalidRequest",
];

function objectAttempts({ attempt }: KeyProbe, { client, owned }: S3Store): ObjectAttempts {
  return {
    async put(key, createOnly, signal) {
      let versionId: string | null = null;
      const tried = await attempt("PutObject", key, async () => {
        const condition = createOnly ? { IfNoneMatch: "*" } : {};
        const command = new PutObjectCommand({ ...owned, Key: key, Body: BODY, ...condition });
        versionId = (await client.send(command, { abortSignal: signal })).VersionId ?? null;
      });
      return { attempt: tried, versionId };
    },
    copy: (from, to, signal) =>
      attempt(
        "CopyObject",
        to,
        () => {
          const CopySource = `${owned.Bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
          // without If-None-Match, which Amazon does not know on a copy (501)
          const condition = { CopySourceIfMatch: OTHER_ETAG };
          const command = new CopyObjectCommand({ ...owned, Key: to, CopySource, ...condition });
          return client.send(command, { abortSignal: signal });
        },
        ["PreconditionFailed"],
      ),
    readMark: (mark, key, signal) => {
      const target = { ...owned, Key: key };
      const abort = { abortSignal: signal };
      if (mark === "ACL")
        return attempt("GetObjectAcl", key, () => client.send(new GetObjectAclCommand(target), abort), NOT_SET);
      return mark === "retention"
        ? attempt("GetObjectRetention", key, () => client.send(new GetObjectRetentionCommand(target), abort), NOT_SET)
        : attempt("GetObjectLegalHold", key, () => client.send(new GetObjectLegalHoldCommand(target), abort), NOT_SET);
    },
    deleteOwn: (key, versionId, signal) =>
      attempt("DeleteObject", key, () => {
        const version = versionId === null ? {} : { VersionId: versionId };
        return client.send(new DeleteObjectCommand({ ...owned, Key: key, ...version }), { abortSignal: signal });
      }),
    async findObject(prefix, signal) {
      const input = { ...owned, Prefix: prefix, MaxKeys: 10 };
      let found: { readonly key: string; readonly versionId: string | null } | null = null;
      await attempt("ListObjectVersions", prefix, async () => {
        const { Versions = [] } = await client.send(new ListObjectVersionsCommand(input), { abortSignal: signal });
        const first = Versions.find(({ IsLatest }) => IsLatest === true);
        if (first?.Key !== undefined) found = { key: first.Key, versionId: first.VersionId ?? null };
      });
      if (found !== null) return found;
      await attempt("ListObjectsV2", prefix, async () => {
        const { Contents = [] } = await client.send(new ListObjectsV2Command(input), { abortSignal: signal });
        const key = Contents[0]?.Key;
        if (key !== undefined) found = { key, versionId: null };
      });
      return found;
    },
  };
}
