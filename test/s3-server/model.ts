/** What a bucket holds. Shapes are lean on purpose: a benchmark keeps 100,000 objects of them in memory. */
import type { AccountState } from "./accounts.ts";
import type { Blob } from "./blobs.ts";
import type { ChecksumName, ChecksumType, StoredChecksum } from "./checksums.ts";
import type { Statement } from "./policy.ts";
import type { Quirks } from "./quirks.ts";
import type { SortedKeys } from "./sorted-keys.ts";

export type LockMode = "GOVERNANCE" | "COMPLIANCE";

export interface Retention {
  readonly mode: LockMode;
  readonly untilMs: number;
}

/** What most objects don't have. */
export interface VersionExtras {
  readonly tags: ReadonlyMap<string, string>;
  readonly retention: Retention | undefined;
  readonly legalHold: boolean;
  /** MD5 of the customer's key, base64 (SSE-C). */
  readonly customerKeyMd5: string | undefined;
  /** `aws:kms` when asked for; everything else is AES256. */
  readonly encryption: string | undefined;
  /** From when and until when an archived object can be read. */
  readonly restored: { readonly fromMs: number; readonly untilMs: number } | undefined;
  /** Of a multipart object, in order. */
  readonly parts: readonly PartOfObject[] | undefined;
}

export interface PartOfObject {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly checksum: string | undefined;
}

/** Headers that S3 keeps with an object, user metadata included: lower-case name to value. */
export type KeptHeaders = ReadonlyMap<string, string>;

export interface Version {
  readonly versionId: string;
  readonly isDeleteMarker: boolean;
  readonly lastModifiedMs: number;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly body: Blob | readonly Blob[] | undefined;
  readonly checksum: StoredChecksum | undefined;
  readonly storageClass: string;
  readonly headers: KeptHeaders;
  extras: VersionExtras | undefined;
}

/** A key and its versions, newest first; never without one. */
export interface KeyEntry {
  readonly key: string;
  versions: Version[];
}

export interface UploadedPart {
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum: string;
  readonly lastModifiedMs: number;
  readonly body: Blob;
}

/** What an object will be made of, as its creating request said. */
export interface ObjectSettings {
  readonly headers: KeptHeaders;
  readonly storageClass: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly retention: Retention | undefined;
  readonly legalHold: boolean;
  readonly customerKeyMd5: string | undefined;
  readonly encryption: string | undefined;
}

export interface Upload {
  readonly uploadId: string;
  readonly key: string;
  readonly beganMs: number;
  readonly initiatorArn: string;
  readonly settings: ObjectSettings;
  readonly checksumName: ChecksumName;
  readonly checksumType: ChecksumType;
  /** False: nobody asked for a checksum, CRC64NVME is S3's own default. */
  readonly checksumRequested: boolean;
  readonly parts: Map<number, UploadedPart>;
}

/** A finished upload, remembered so that a repeated Complete is answered like the first. */
export interface FinishedUpload {
  readonly key: string;
  readonly partList: string;
  readonly version: Version;
}

export interface ConditionalWrite {
  hasConflict: boolean;
}

export type Versioning = "Off" | "Enabled" | "Suspended";

export interface LockRule {
  readonly mode: LockMode;
  readonly amount: number;
  readonly unit: "Days" | "Years";
}

export interface PublicAccessBlock {
  readonly BlockPublicAcls: boolean;
  readonly IgnorePublicAcls: boolean;
  readonly BlockPublicPolicy: boolean;
  readonly RestrictPublicBuckets: boolean;
}

export interface QueueTarget {
  readonly id: string;
  readonly queueArn: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
}

export interface Bucket {
  readonly name: string;
  readonly account: AccountState;
  readonly region: string;
  readonly createdMs: number;
  readonly quirks: Quirks;
  versioning: Versioning;
  /** Undefined: without Object Lock. */
  objectLock: { readonly rule: LockRule | undefined } | undefined;
  policy: { readonly text: string; readonly statements: readonly Statement[] } | undefined;
  publicAccessBlock: PublicAccessBlock | undefined;
  /** Configurations that are kept as they came: lifecycle, tagging, encryption, ownership controls … */
  readonly documents: Map<string, string>;
  notifications: { readonly text: string; readonly targets: readonly QueueTarget[] } | undefined;
  readonly keys: SortedKeys<KeyEntry>;
  readonly uploads: Map<string, Upload>;
  readonly finishedUploads: Map<string, FinishedUpload>;
  /** Conditional writes under way, by key: a delete that succeeds meanwhile is a conflict to them. */
  readonly conditionalWrites: Map<string, Set<ConditionalWrite>>;
}
