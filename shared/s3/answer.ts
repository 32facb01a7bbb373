/** What a store said instead of doing what it was asked: read bounded, and parsed without an XML parser. */

export interface AnswerParts {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** At most {@link MAX_ERROR_BYTES} are looked at. */
  readonly body: string;
  readonly receivedAt: Date;
}

export const MAX_ERROR_BYTES = 64 * 1024;

/** A refusal. Carries no text of the store's but its short codes: a body may hold signed strings and anything else. */
export class StoreAnswer extends Error {
  readonly status: number;
  /** S3's code, null when the body has none. */
  readonly s3Code: string | null;
  readonly region: string | null;
  readonly requestId: string | null;
  readonly date: Date | null;
  readonly receivedAt: Date;
  readonly retryAfterMs: number | null;
  /** The refusal speaks of a server-side encryption key. */
  readonly encrypted: boolean;

  constructor({ status, headers, body, receivedAt }: AnswerParts) {
    const text = body.slice(0, MAX_ERROR_BYTES);
    const s3Code = matching(readElement(text, "Code") ?? readType(text), /^[A-Za-z0-9._-]{1,64}$/);
    super(s3Code === null ? `HTTP ${status}` : `HTTP ${status} ${s3Code}`);
    this.name = "StoreAnswer";
    this.status = status;
    this.s3Code = s3Code;
    const region = headers.get("x-amz-bucket-region") ?? readElement(text, "Region") ?? expectedRegion(text);
    this.region = matching(region, /^[a-z0-9-]{1,64}$/);
    this.requestId = matching(headers.get("x-amz-request-id") ?? null, /^[A-Za-z0-9._-]{1,128}$/);
    this.receivedAt = receivedAt;
    this.date = readDate(readElement(text, "ServerTime")) ?? readDate(headers.get("date") ?? null);
    this.retryAfterMs = readRetryAfter(headers.get("retry-after"), receivedAt);
    this.encrypted =
      s3Code?.startsWith("KMS.") === true ||
      /server[- ]side encryption|customer key/i.test(readElement(text, "Message") ?? "");
  }
}

/** Statuses of the codes that S3 puts into a 200 (CompleteMultipartUpload answers before it has finished). */
const STATUS_OF_LATE_ERROR: ReadonlyMap<string, number> = new Map([
  ["PreconditionFailed", 412],
  ["ConditionalRequestConflict", 409],
  ["OperationAborted", 409],
  ["NoSuchUpload", 404],
  ["NoSuchBucket", 404],
  ["AccessDenied", 403],
  ["InvalidPart", 400],
  ["InvalidPartOrder", 400],
  ["EntityTooSmall", 400],
  ["BadDigest", 400],
  ["InvalidRequest", 400],
  ["SlowDown", 503],
]);

/** The refusal inside a 200, or null when the body is not an error document. */
export function findLateError(parts: AnswerParts): StoreAnswer | null {
  // white space may come first: S3 sends it to keep the connection open
  let text = parts.body.slice(0, MAX_ERROR_BYTES).trimStart();
  if (text.startsWith("<?xml")) text = text.slice(text.indexOf("?>") + 2).trimStart();
  if (!/^<Error[\s>]/.test(text)) return null;
  const code = readElement(text, "Code") ?? "";
  return new StoreAnswer({ ...parts, status: STATUS_OF_LATE_ERROR.get(code) ?? 500 });
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["&amp;", "&"],
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&quot;", '"'],
  ["&apos;", "'"],
]);

/** The first such element's text, at most 1,024 characters. No entity but XML's five is ever expanded. */
function readElement(text: string, name: string): string | null {
  const start = text.indexOf(`<${name}>`);
  if (start === -1) return null;
  const from = start + name.length + 2;
  const end = text.indexOf("<", from);
  if (end === -1 || end - from > 1024) return null;
  return text.slice(from, end).replaceAll(/&[a-z]{2,4};/g, (entity) => ENTITIES.get(entity) ?? entity);
}

/** AWS's JSON protocols, which SQS speaks: `{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}` */
function readType(text: string): string | null {
  return (
    /^\{[^{}]*?"__type"\s*:\s*"(?:[A-Za-z0-9._-]{1,64}#)?([A-Za-z0-9._-]{1,64})"/.exec(text.trimStart())?.[1] ?? null
  );
}

/** "the region 'us-east-1' is wrong; expecting 'eu-west-1'" */
function expectedRegion(text: string): string | null {
  return /expecting '([a-z0-9-]{1,64})'/.exec(text)?.[1] ?? null;
}

function matching(text: string | null | undefined, pattern: RegExp): string | null {
  return text !== null && text !== undefined && pattern.test(text) ? text : null;
}

function readDate(text: string | null): Date | null {
  const date = new Date(text ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function readRetryAfter(text: string | undefined, now: Date): number | null {
  if (text === undefined) return null;
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000;
  const date = readDate(text);
  return date === null ? null : Math.max(0, date.getTime() - now.getTime());
}
