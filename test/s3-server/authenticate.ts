/** From a parsed request to its caller and how its body proves itself. */
import { readClaim } from "./claim.ts";
import type { Caller, PayloadMode, World } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { ParsedRequest } from "./request.ts";
import { checkScope, checkTime, verifySignature, type ChunkSigner } from "./sigv4.ts";

const anonymous: Caller = { holder: undefined, authType: undefined, signatureAgeMs: undefined };

export interface Authenticated {
  readonly caller: Caller;
  readonly payload: PayloadMode;
}

export function authenticate(world: World, request: ParsedRequest): Authenticated {
  const claim = readClaim(request);
  const declared = request.headers.get("x-amz-content-sha256") ?? request.query.get("X-Amz-Content-Sha256");
  if (claim === undefined)
    return { caller: anonymous, payload: payloadMode(declared ?? "UNSIGNED-PAYLOAD", undefined) };
  if (claim.kind === "header" && declared === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  const payloadHash = declared ?? "UNSIGNED-PAYLOAD";
  payloadMode(payloadHash, undefined);
  checkScope(claim, world.region, "s3");
  const nowMs = world.signingClock();
  checkTime(claim, nowMs);
  const holder = world.accounts.holderOf(claim.accessKeyId);
  if (holder === undefined) {
    throw new S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", {
      AWSAccessKeyId: claim.accessKeyId,
    });
  }
  const signer = verifySignature(request, claim, holder.secret, payloadHash);
  const caller: Caller = {
    holder,
    authType: claim.kind === "header" ? "REST-HEADER" : "REST-QUERY-STRING",
    signatureAgeMs: nowMs - claim.timestampMs,
  };
  return { caller, payload: payloadMode(payloadHash, signer) };
}

function payloadMode(declared: string, signer: ChunkSigner | undefined): PayloadMode {
  switch (declared) {
    case "UNSIGNED-PAYLOAD":
      return { kind: "unsigned" };
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { kind: "chunked", signer: undefined, hasTrailer: true };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      return { kind: "chunked", signer, hasTrailer: false };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      return { kind: "chunked", signer, hasTrailer: true };
    default:
      if (/^[0-9a-f]{64}$/.test(declared)) return { kind: "sha256", expected: declared };
      throw new S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        { ArgumentName: "x-amz-content-sha256", ArgumentValue: declared },
      );
  }
}
