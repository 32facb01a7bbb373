/** Getting credentials is no request to the store: its failures are told apart from the store's, and nothing was sent. */
import { AirlockError } from "../errors.ts";
import { errorCode } from "../files.ts";
import { StoreAnswer } from "./answer.ts";
import { codeOf, judgeFailure } from "./connection-errors.ts";

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
): (options?: Options) => Promise<Credentials> {
  let last: Credentials | null = null;
  return async (options) => {
    try {
      last = await provide(options);
      return last;
    } catch (thrown) {
      const endMs = last?.expiration?.getTime() ?? 0;
      if (last !== null && endMs > now()) return last;
      throw toCredentialsError(thrown);
    }
  };
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
