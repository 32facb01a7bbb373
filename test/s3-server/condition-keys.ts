/** The values of condition keys for a request: Service Authorization Reference, "Condition keys for Amazon S3". */
import type { Context } from "./context.ts";
import type { ConditionValues } from "./conditions.ts";
import type { Bucket, Version } from "./model.ts";
import type { OperationName } from "./operations.ts";
import { parseTagQuery } from "./tags.ts";

/** Values that the headers and query don't tell, e.g. of one key in DeleteObjects. */
export interface ConditionOverrides {
  readonly versionId?: string | undefined;
  readonly ifMatch?: string | undefined;
}

/** Keys whose value is a header's. */
const fromHeader = new Map([
  ["s3:if-none-match", "if-none-match"],
  ["s3:if-match", "if-match"],
  ["s3:x-amz-acl", "x-amz-acl"],
  ["s3:x-amz-grant-read", "x-amz-grant-read"],
  ["s3:x-amz-grant-write", "x-amz-grant-write"],
  ["s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"],
  ["s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"],
  ["s3:x-amz-grant-full-control", "x-amz-grant-full-control"],
  ["s3:x-amz-content-sha256", "x-amz-content-sha256"],
  ["s3:x-amz-copy-source", "x-amz-copy-source"],
  ["s3:x-amz-metadata-directive", "x-amz-metadata-directive"],
  ["s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"],
  ["s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"],
  ["s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"],
  ["s3:x-amz-storage-class", "x-amz-storage-class"],
  ["s3:object-lock-mode", "x-amz-object-lock-mode"],
  ["s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"],
  ["s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date"],
  ["aws:referer", "referer"],
  ["aws:useragent", "user-agent"],
]);

const fromQuery = new Map([
  ["s3:prefix", "prefix"],
  ["s3:delimiter", "delimiter"],
  ["s3:max-keys", "max-keys"],
]);

/** Requests that bring an object into being, and those that write without doing so. */
const creates: Readonly<Partial<Record<OperationName, boolean>>> = {
  PutObject: true,
  CopyObject: true,
  CompleteMultipartUpload: true,
  CreateMultipartUpload: false,
  UploadPart: false,
  UploadPartCopy: false,
};

export function requestConditions(
  context: Context,
  bucket: Bucket | undefined,
  overrides: ConditionOverrides,
): ConditionValues {
  return (key) => {
    const value = lookUp(context, bucket, key, overrides);
    return typeof value === "string" ? [value] : value;
  };
}

function lookUp(
  context: Context,
  bucket: Bucket | undefined,
  key: string,
  overrides: ConditionOverrides,
): string | readonly string[] | undefined {
  const { request, caller, world } = context;
  const headerName = fromHeader.get(key);
  if (headerName !== undefined) {
    if (key === "s3:if-match" && overrides.ifMatch !== undefined) return overrides.ifMatch;
    return request.headers.get(headerName);
  }
  const queryName = fromQuery.get(key);
  if (queryName !== undefined) return request.query.get(queryName);
  const principal = caller.holder?.principal;
  switch (key) {
    case "s3:versionid":
      return overrides.versionId ?? request.query.get("versionId");
    case "s3:objectcreationoperation": {
      const value = creates[context.operation];
      return value === undefined ? undefined : String(value);
    }
    case "s3:authtype":
      return caller.authType;
    case "s3:signatureversion":
      return caller.authType === undefined ? undefined : "AWS4-HMAC-SHA256";
    case "s3:signatureage":
      return caller.signatureAgeMs === undefined ? undefined : String(caller.signatureAgeMs);
    case "s3:object-lock-remaining-retention-days":
      return remainingDays(context);
    case "s3:requestobjecttagkeys":
      return requestTags(context)?.keys().toArray();
    case "s3:resourceaccount":
    case "aws:resourceaccount":
      return bucket?.account.id;
    case "aws:username":
      return principal?.userName;
    case "aws:principalarn":
      return principal?.arn;
    case "aws:principalaccount":
      return principal?.accountId;
    case "aws:principaltype":
      return principal === undefined ? "Anonymous" : principal.userName === undefined ? "Account" : "User";
    case "aws:userid":
      return principal === undefined ? undefined : (principal.userName ?? principal.accountId);
    case "aws:securetransport":
      return String(world.secureTransport);
    case "aws:sourceip":
      return context.sourceAddress;
    case "aws:currenttime":
      return new Date(world.clock()).toISOString();
    case "aws:epochtime":
      return String(Math.floor(world.clock() / 1000));
    case "aws:requestedregion":
      return world.region;
    default:
      return lookUpTag(context, bucket, key);
  }
}

/** Keys that end in a tag's name, which is matched without case as condition keys are. */
function lookUpTag(context: Context, bucket: Bucket | undefined, key: string): string | undefined {
  const [, kind, wanted] = /^s3:(requestobjecttag|existingobjecttag)\/(.+)$/s.exec(key) ?? [];
  if (kind === undefined) return undefined;
  const tags = kind === "requestobjecttag" ? requestTags(context) : existingVersion(context, bucket)?.extras?.tags;
  for (const [name, value] of tags ?? []) if (name.toLowerCase() === wanted) return value;
  return undefined;
}

function existingVersion({ request }: Context, bucket: Bucket | undefined): Version | undefined {
  if (bucket?.name !== request.bucket || request.keyBytes === undefined) return undefined;
  const versions = bucket?.keys.get(request.keyBytes)?.versions;
  const versionId = request.query.get("versionId");
  return versionId === undefined ? versions?.[0] : versions?.find((version) => version.versionId === versionId);
}

function requestTags(context: Context): ReadonlyMap<string, string> | undefined {
  const text = context.request.headers.get("x-amz-tagging");
  return text === undefined ? undefined : parseTagQuery(text);
}

function remainingDays(context: Context): string | undefined {
  const until = context.request.headers.get("x-amz-object-lock-retain-until-date");
  if (until === undefined) return undefined;
  return String(Math.ceil((Date.parse(until) - context.world.clock()) / 86_400_000));
}
