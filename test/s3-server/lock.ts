/** Object Lock: S3 User Guide, "Locking objects with Object Lock". */
import { isAllowed } from "./authorize.ts";
import { header, type Context } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Bucket, LockMode, LockRule, Retention, Version, VersionExtras } from "./model.ts";
import { malformedXml, parseXml } from "./xml.ts";

const dayMs = 86_400_000;

export function isLockMode(text: string | undefined): text is LockMode {
  return text === "GOVERNANCE" || text === "COMPLIANCE";
}

export function requireLockedBucket(bucket: Bucket): void {
  if (bucket.objectLock === undefined) {
    throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
  }
}

export function parseRetentionHeaders(context: Context, bucket: Bucket): Retention | undefined {
  const mode = header(context, "x-amz-object-lock-mode");
  const until = header(context, "x-amz-object-lock-retain-until-date");
  if (mode === undefined && until === undefined) return undefined;
  requireLockedBucket(bucket);
  if (mode === undefined || until === undefined) {
    throw new S3Error(
      "InvalidArgument",
      "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
    );
  }
  if (!isLockMode(mode)) throw new S3Error("InvalidArgument", "Unknown wormMode directive.");
  return { mode, untilMs: parseUntil(until, context.world.clock()) };
}

function parseUntil(text: string, nowMs: number): number {
  const untilMs = Date.parse(text);
  if (Number.isNaN(untilMs))
    throw new S3Error("InvalidArgument", "The retain until date must be provided in ISO 8601 format");
  if (untilMs <= nowMs) throw new S3Error("InvalidArgument", "The retain until date must be in the future!");
  return untilMs;
}

export function parseLegalHold(context: Context, bucket: Bucket): boolean {
  const status = header(context, "x-amz-object-lock-legal-hold");
  if (status === undefined) return false;
  requireLockedBucket(bucket);
  if (status !== "ON" && status !== "OFF") {
    throw new S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'");
  }
  return status === "ON";
}

export function defaultRetention(bucket: Bucket, nowMs: number): Retention | undefined {
  const rule = bucket.objectLock?.rule;
  if (rule === undefined) return undefined;
  return { mode: rule.mode, untilMs: addPeriod(rule, nowMs) };
}

function addPeriod(rule: LockRule, nowMs: number): number {
  if (rule.unit === "Days") return nowMs + rule.amount * dayMs;
  const date = new Date(nowMs);
  date.setUTCFullYear(date.getUTCFullYear() + rule.amount);
  return date.getTime();
}

/** Uploads that will be retained must bring an integrity check. */
export function requireIntegrity(
  isRetained: boolean,
  isDeclared: boolean,
  context: Context,
  what: "Object" | "Part",
): void {
  if (!isRetained || isDeclared || header(context, "content-md5") !== undefined) return;
  throw new S3Error(
    "InvalidRequest",
    `Content-MD5 OR x-amz-checksum- HTTP header is required for Put ${what} requests with Object Lock parameters`,
  );
}

/** Whether the request asks to bypass governance and may. */
export function mayBypass(context: Context, bucket: Bucket, objectArn: string): boolean {
  return (
    header(context, "x-amz-bypass-governance-retention")?.toLowerCase() === "true" &&
    isAllowed(context, bucket, "s3:BypassGovernanceRetention", objectArn)
  );
}

/** Throws if the version can't be removed now. */
export function checkRemovable(version: Version, nowMs: number, bypass: boolean): void {
  const { retention, legalHold = false } = version.extras ?? {};
  const isRetained = retention !== undefined && retention.untilMs > nowMs;
  if (legalHold || (isRetained && (retention.mode === "COMPLIANCE" || !bypass))) {
    throw new S3Error("AccessDenied", "Access Denied because object protected by object lock.");
  }
}

/** The retention that PutObjectRetention's document asks for; undefined to remove it. */
export function parseRetentionDocument(text: string, nowMs: number): Retention | undefined {
  const document = parseXml(text, "Retention");
  const mode = document.value("Mode");
  const until = document.value("RetainUntilDate");
  if (mode === undefined && until === undefined) return undefined;
  if (!isLockMode(mode) || until === undefined) throw malformedXml();
  return { mode, untilMs: parseUntil(until, nowMs) };
}

/** Throws if a version's retention may not be replaced by that one. Extending is always allowed. */
export function checkRetentionChange(
  version: Version,
  next: Retention | undefined,
  nowMs: number,
  bypass: boolean,
): void {
  const current = version.extras?.retention;
  if (current === undefined || current.untilMs <= nowMs) return;
  const weakens = next === undefined || next.untilMs < current.untilMs || next.mode !== current.mode;
  const strengthens = next?.mode === "COMPLIANCE" && current.mode === "GOVERNANCE" && next.untilMs >= current.untilMs;
  if (!weakens) return;
  if (current.mode === "GOVERNANCE" && (bypass || strengthens)) return;
  throw new S3Error("AccessDenied", "Access Denied because object protected by object lock.");
}

export function parseLockConfiguration(text: string): LockRule | undefined {
  const document = parseXml(text, "ObjectLockConfiguration");
  if (document.value("ObjectLockEnabled") !== "Enabled") throw malformedXml();
  const retention = document.child("Rule")?.child("DefaultRetention");
  if (retention === undefined) {
    if (document.child("Rule") !== undefined) throw malformedXml();
    return undefined;
  }
  const mode = retention.value("Mode");
  const days = retention.value("Days");
  const years = retention.value("Years");
  const amount = days ?? years;
  if (!isLockMode(mode) || amount === undefined || (days !== undefined && years !== undefined)) throw malformedXml();
  const maximum = days === undefined ? 100 : 36_500;
  if (!/^\d{1,6}$/.test(amount) || Number(amount) < 1) {
    throw new S3Error("InvalidArgument", "Default retention period must be a positive integer value.");
  }
  if (Number(amount) > maximum) throw new S3Error("InvalidRetentionPeriod", "Default retention period too large");
  return { mode, amount: Number(amount), unit: days === undefined ? "Years" : "Days" };
}

export function lockHeaders(extras: VersionExtras | undefined): {
  retention: Record<string, string>;
  legalHold: Record<string, string>;
} {
  const retention = extras?.retention;
  return {
    retention:
      retention === undefined
        ? {}
        : {
            "x-amz-object-lock-mode": retention.mode,
            "x-amz-object-lock-retain-until-date": new Date(retention.untilMs).toISOString(),
          },
    legalHold: extras?.legalHold === true ? { "x-amz-object-lock-legal-hold": "ON" } : {},
  };
}
