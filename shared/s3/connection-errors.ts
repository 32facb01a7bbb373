/** What it means when no answer came: which failures come before anything was sent, and what helps. */
import type { Code } from "../errors.ts";

interface Failure {
  /** null: it may have taken effect. */
  readonly code: Code | null;
  readonly what: string;
  readonly remedy?: string;
}

export const ENDPOINT_REMEDY =
  "check that `endpoint` is an S3 store's own address and that no proxy answers in its place";
const NO_CREDENTIALS_REMEDY =
  "set `credentials` to a profile that ~/.aws/config or ~/.aws/credentials has, or to two key files; docs/credentials.md has all sources";

/** Errors of `connect`: nothing had been sent yet. A connection that stood for a while can end with some of them as well. */
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_[A-Z]+|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;
/** Node's names for calls on a connection that stands. */
const TRANSFERS: ReadonlySet<string> = new Set(["read", "write", "writev", "shutdown"]);
/**
 * Why a certificate is not accepted, which is before anything is sent: OpenSSL's verification errors as Node.js names
 * them (https://nodejs.org/api/tls.html#x509-certificate-error-codes), and undici's for a proxy's certificate.
 */
const UNTRUSTED =
  /^(ERR_TLS_CERT_[A-Z_]+|UND_ERR_PRX_TLS|CERT_[A-Z_]+|CRL_[A-Z_]+|UNABLE_TO_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/;
/** Any other failure of TLS may come after the request was sent. */
const TLS = /^(ERR_SSL|ERR_TLS|EPROTO)/;
/** undici's words for a proxy that opens no tunnel; nothing was sent to the store. */
const TUNNEL_REFUSED = /^Proxy response \((\d{3})\)/;

/** Anything thrown that is not an answer of the store. */
export function judgeFailure(thrown: unknown): Failure {
  const code = codeOf(thrown);
  if (thrown instanceof Error && /^(CredentialsProviderError|TokenProviderError|ProviderError)$/.test(thrown.name)) {
    return { code: "credentials-invalid", what: "no usable credentials were found", remedy: NO_CREDENTIALS_REMEDY };
  }
  if (UNTRUSTED.test(code)) {
    return {
      code: "tls-untrusted",
      what: `its certificate is not trusted (${code})`,
      remedy: remedyOfCertificate(code),
    };
  }
  const [, tunnelStatus] = (thrown instanceof Error ? TUNNEL_REFUSED.exec(thrown.message) : null) ?? [];
  if (tunnelStatus !== undefined) {
    const remedy = "check the address, user and password in HTTPS_PROXY, or name the store in NO_PROXY";
    return { code: "store-unavailable", what: `the proxy lets nothing through (${tunnelStatus})`, remedy };
  }
  if (NEVER_SENT.test(code) && !TRANSFERS.has(syscallOf(thrown))) {
    const remedy = "check `endpoint`, the network, DNS, and HTTPS_PROXY if it is set";
    return { code: "store-unavailable", what: `no connection to the store (${code})`, remedy };
  }
  if (TLS.test(code)) return { code: null, what: `TLS failed (${code})`, remedy: ENDPOINT_REMEDY };
  return { code: null, what: `the connection failed (${code})` };
}

function remedyOfCertificate(code: string): string {
  if (/^(CERT|CRL)_(HAS_EXPIRED|NOT_YET_VALID)$/.test(code)) {
    return "check this machine's clock, then the store's certificate";
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH") {
    return "check `endpoint`: the certificate is for another name; a bucket's name with dots needs forcePathStyle: true";
  }
  return "name its authority's certificate in NODE_EXTRA_CA_CERTS (a PEM file), and check `endpoint` and HTTPS_PROXY";
}

/** Node's, OpenSSL's or undici's own name for it. */
export function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "unknown";
  if ("code" in thrown && typeof thrown.code === "string" && /^[A-Z0-9_]{1,64}$/.test(thrown.code)) return thrown.code;
  return thrown.cause === undefined ? thrown.name : codeOf(thrown.cause);
}

/** The call that failed; empty where Node names none. */
function syscallOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "";
  if ("syscall" in thrown && typeof thrown.syscall === "string") return thrown.syscall;
  return thrown.cause === undefined ? "" : syscallOf(thrown.cause);
}
