/** Every failure of a store, a network or the SDK as an {@link AirlockError}, by one table. See `shared/stores.ts`. */
import { AirlockError, isAirlockError, type Code } from "../errors.ts";
import { findLateError, StoreAnswer } from "./answer.ts";
import { ENDPOINT_REMEDY, judgeFailure } from "./connection-errors.ts";

/**
 * What may have happened when no answer came. `read`: nothing. `repeatable`: something, and doing it again is
 * harmless (a part, a delete of an exact version, an abort). `write`: the caller has to find out.
 */
export type CallKind = "read" | "repeatable" | "write";

export interface Call {
  /** S3's name of the operation. */
  readonly operation: string;
  readonly kind: CallKind;
  readonly bucket: string;
  readonly key: string | null;
  /** The region that requests are signed for. */
  readonly region: string;
}

/** Any thrown value; what is an AirlockError already stays as it is. */
export function toStoreError(thrown: unknown, call: Call, signal?: AbortSignal): AirlockError {
  if (thrown instanceof AirlockError) return thrown;
  if (thrown instanceof StoreAnswer) return errorOfAnswer(thrown, call);
  if (signal?.aborted === true) return errorOfAbort(signal.reason, call);
  return errorOfFailure(thrown, call);
}

interface Verdict {
  readonly code: Code;
  readonly what: string;
  readonly remedy?: string;
}

function errorOfAnswer(answer: StoreAnswer, call: Call): AirlockError {
  return failure(judgeAnswer(answer, call), call, answer);
}

function failure({ code, what, remedy }: Verdict, call: Call, cause: unknown): AirlockError {
  const subject = `s3://${call.bucket}${call.key === null ? "" : `/${call.key}`}`;
  return new AirlockError(code, `${call.operation}: ${what}`, {
    subject,
    cause,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** By S3's own code first, by status where there is none. */
function judgeAnswer(answer: StoreAnswer, call: Call): Verdict {
  return judgeByCode(answer, call) ?? judgeByStatus(answer, call);
}

const ACCESS_REMEDY =
  "compare this key's policy with its role's: `init` prints a host's and the mover's two, deploy/iam/operator.json is the operator's";
const CREDENTIALS_REMEDY = "check the configured credentials, and whether the key is still active";

function judgeByCode(answer: StoreAnswer, call: Call): Verdict | null {
  switch (answer.s3Code) {
    case "NoSuchKey":
    case "NoSuchVersion":
      return answer.status === 404 ? { code: "not-found", what: "there is no such object" } : null;
    case "NoSuchBucket":
      return {
        code: "bucket-missing",
        what: "there is no such bucket",
        remedy: "check `bucket`, `region` and `endpoint`, or create the bucket",
      };
    case "NoSuchUpload":
      return { code: "upload-missing", what: "the store no longer knows this multipart upload" };
    case "InvalidAccessKeyId":
    case "SignatureDoesNotMatch":
    case "ExpiredToken":
    case "InvalidToken":
    case "TokenRefreshRequired":
    case "InvalidClientTokenId":
      return {
        code: "credentials-invalid",
        what: `the store refuses the key (${answer.s3Code})`,
        remedy: CREDENTIALS_REMEDY,
      };
    case "RequestTimeTooSkewed":
      return judgeSkew(answer);
    case "InvalidObjectState":
      return {
        code: "object-unreadable",
        what: "the object is in an archive storage class",
        remedy: "restore it to a readable class, or discard it",
      };
    // what fits into one store does not always fit into another, nor once it is in a form that can be signed
    case "MetadataTooLarge":
      return {
        code: "object-unreadable",
        what: "the object has more metadata than the store takes",
        remedy: "upload it with less metadata, or discard it",
      };
    case "SlowDown":
    case "Throttling":
    case "ThrottlingException":
    case "RequestLimitExceeded":
    case "TooManyRequests":
      return { code: "slow-down", what: "the store asks for fewer requests" };
    case "BadDigest":
    case "InvalidDigest":
    case "XAmzContentChecksumMismatch":
    case "XAmzContentSHA256Mismatch":
    case "IncompleteBody":
      return {
        code: "store-unavailable",
        what: `the bytes were altered on the way, and the store refused them (${answer.s3Code})`,
        remedy: "nothing was stored and it is tried again; if it stays, look for a proxy or faulty memory in between",
      };
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return judgeRegion(answer, call);
    default:
      return null;
  }
}

function judgeByStatus(answer: StoreAnswer, call: Call): Verdict {
  const { status } = answer;
  const shown = answer.s3Code === null ? `${status}` : `${status} ${answer.s3Code}`;
  if (status >= 300 && status < 400) return judgeRegion(answer, call);
  if (status === 403 || status === 401) {
    return { code: "access-denied", what: `the store denies it (${shown})`, remedy: ACCESS_REMEDY };
  }
  if (status === 412) {
    return call.kind === "write"
      ? { code: "already-exists", what: "there is an object of this name already" }
      : { code: "source-changed", what: "the object is no longer the one that was listed" };
  }
  if (status === 416) return { code: "request-invalid", what: "the range begins beyond the object's end" };
  if (status === 429) return { code: "slow-down", what: "the store asks for fewer requests (429)" };
  if (call.operation === "GetObject" && status === 400 && answer.encrypted) {
    return {
      code: "object-unreadable",
      what: "the object is encrypted with a key that the store was not given (SSE-C or KMS)",
      remedy: "upload it without SSE-C, or discard it",
    };
  }
  if (status === 503 && call.kind !== "write") return { code: "slow-down", what: `the store is overloaded (${shown})` };
  // 404 without one of S3's codes is somebody else's answer: it says nothing about the object
  if (status >= 500 && status !== 501) return uncertain(call, `the store failed (${shown})`);
  if (status === 408 || answer.s3Code === "RequestTimeout") return uncertain(call, `the store timed out (${shown})`);
  if (status === 409) return uncertain(call, `another request interfered (${shown})`);
  if ((status === 404 && answer.s3Code === null) || status < 400)
    return uncertain(call, `an answer that is not S3's (${shown})`, ENDPOINT_REMEDY);
  return { code: "request-invalid", what: `the store refuses the request (${shown})` };
}

function uncertain(call: Call, what: string, remedy?: string): Verdict {
  const code = call.kind === "write" ? "outcome-unknown" : "store-unavailable";
  return { code, what, ...(remedy === undefined ? {} : { remedy }) };
}

function judgeRegion(answer: StoreAnswer, call: Call): Verdict {
  if (answer.region !== null && answer.region !== call.region) {
    return {
      code: "wrong-region",
      what: `the bucket is in ${answer.region}, not in ${call.region}`,
      remedy: `set \`region: ${answer.region}\``,
    };
  }
  if (answer.s3Code === "PermanentRedirect" || answer.s3Code === "IllegalLocationConstraintException") {
    return {
      code: "wrong-region",
      what: `the bucket is not in ${call.region}`,
      remedy: "set `region` to the bucket's own, and `endpoint` likewise if there is one",
    };
  }
  if (answer.status >= 300 && answer.status < 400) {
    return uncertain(call, `a redirect (${answer.status}), which is never followed`, ENDPOINT_REMEDY);
  }
  return { code: "request-invalid", what: `the store refuses the request (${answer.status} ${answer.s3Code ?? ""})` };
}

function judgeSkew(answer: StoreAnswer): Verdict {
  const theirs = answer.date === null ? "unknown" : answer.date.toISOString();
  return {
    code: "clock-skew",
    what: `the clocks differ by too much: here it is ${answer.receivedAt.toISOString()}, at the store ${theirs}`,
    remedy: "set this machine's clock (NTP)",
  };
}

function errorOfAbort(reason: unknown, call: Call): AirlockError {
  if (reason instanceof AirlockError) return reason;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    return failure(uncertain(call, "no answer in the time allowed"), call, reason);
  }
  return failure({ code: "interrupted", what: "interrupted" }, call, reason);
}

function errorOfFailure(thrown: unknown, call: Call): AirlockError {
  const { code, what, remedy } = judgeFailure(thrown);
  const verdict =
    code === null ? uncertain(call, what, remedy) : { code, what, ...(remedy === undefined ? {} : { remedy }) };
  return failure(verdict, call, thrown);
}

/**
 * For keys that a host has chosen and a listing, signed with the same credential, has shown: a store that normalises such
 * a key before it checks the signature refuses that one object, and not the credential. One host's key must not read
 * as a reason to stop for all of them.
 */
export function blameKey(error: unknown, call: Call): unknown {
  if (!isAirlockError(error, "credentials-invalid") || !(error.cause instanceof StoreAnswer)) return error;
  if (error.cause.s3Code !== "SignatureDoesNotMatch") return error;
  const remedy = "upload it under a plainer name, or discard it";
  return failure(
    { code: "object-unreadable", what: "the store signs this key in another form", remedy },
    call,
    error.cause,
  );
}

/** An answer that was 200 and yet cannot be right. */
export function nonsense(call: Call, what: string): AirlockError {
  return failure(uncertain(call, `the store's answer makes no sense: ${what}`, ENDPOINT_REMEDY), call, undefined);
}

export function changed(call: Call, what: string): AirlockError {
  return failure({ code: "source-changed", what }, call, undefined);
}

/** For one entry's code within a batch's answer, which carries no status of its own; null: it is not in the answer. */
export function errorOfCode(code: string | null, call: Call): AirlockError {
  if (code === null) return nonsense(call, "an entry is missing from it");
  const body = `<Error><Code>${/^[A-Za-z0-9._-]{1,64}$/.test(code) ? code : "Unknown"}</Code></Error>`;
  const late = findLateError({ status: 200, headers: new Map(), body, receivedAt: new Date() });
  return late === null ? nonsense(call, "an entry's error is not readable") : errorOfAnswer(late, call);
}
