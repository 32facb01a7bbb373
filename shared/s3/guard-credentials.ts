/** Getting credentials is no request to the store: its failures are told apart from the store's, and nothing was sent. */
import { AirlockError } from "../errors.ts";
import { errorCode } from "../files.ts";
import { StoreAnswer } from "./answer.ts";
import { codeOf, judgeFailure } from "./connection-errors.ts";

/** The SDK waits for a `credential_process` for ever, and everybody with it. */
const LIMIT_MS = 60_000;

interface Expiring {
  readonly expiration?: Date | undefined;
}

/**
 * The SDK renews five minutes before the end; a renewal that fails is no failure as long as the former credentials live.
 * @throws {AirlockError} `credentials-invalid`; `store-unavailable` when their source does not answer
 */
export function guardCredentials<Options, Credentials extends Expiring>(
  provide: (options?: Options) => Promise<Credentials>,
  now: () => number = Date.now,
  limitMs = LIMIT_MS,
): (options?: Options) => Promise<Credentials> {
  let last: Credentials | null = null;
  return async (options) => {
    try {
      last = await inTime(provide(options), limitMs);
      return last;
    } catch (thrown) {
      const endMs = last?.expiration?.getTime() ?? 0;
      if (last !== null && endMs > now()) return last;
      throw toCredentialsError(thrown);
    }
  };
}

async function inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new AirlockError("store-unavailable", `no credentials: their source did not answer within ${limitMs / 1000} s`, {
        remedy: "see what `credential_process`, or whatever else they come from, waits for",
      }),
    );
  }, limitMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const REMEDY = "see that what `credentials` names, or the SDK's own chain, gives this program a key";

function toCredentialsError(thrown: unknown): AirlockError {
  if (thrown instanceof AirlockError) return thrown;
  if (thrown instanceof StoreAnswer) {
    const isTransient = thrown.status >= 500 || thrown.status === 429;
    const shown = thrown.s3Code === null ? `${thrown.status}` : `${thrown.status} ${thrown.s3Code}`;
    const what = isTransient ? `no credentials: their source failed (${shown})` : `credentials are refused (${shown})`;
    const remedy = "check the role that is to be assumed, and whom it trusts";
    return new AirlockError(isTransient ? "store-unavailable" : "credentials-invalid", what, { remedy, cause: thrown });
  }
  const file = errorCode(thrown);
  if (file !== undefined && /^(ENOENT|EACCES|EPERM|EISDIR|ENOTDIR)$/.test(file)) {
    return new AirlockError("credentials-invalid", `a file that credentials come from cannot be read (${file})`, {
      remedy: REMEDY,
      cause: thrown,
    });
  }
  const { code, what, remedy = REMEDY } = judgeFailure(thrown);
  if (code !== null && code !== "store-unavailable") return new AirlockError(code, what, { remedy, cause: thrown });
  return new AirlockError("store-unavailable", `no credentials: their source does not answer (${codeOf(thrown)})`, {
    remedy: "check the way to STS, or to whatever else they come from, and HTTPS_PROXY if it is set",
    cause: thrown,
  });
}
