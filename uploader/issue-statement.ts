import { isAirlockError } from "../shared/errors.ts";
import { formatDropZoneName, newToken, STATEMENT_SUFFIX } from "../shared/names.ts";
import { formatStatement, signStatement, type SignedStatement } from "../shared/statement.ts";
import type { ObjectAttributes } from "../shared/stores.ts";
import { createOnce, retryContextOf, type Creation } from "./creating.ts";
import type { Described, PublishContext, Published } from "./publish-context.ts";
import type { ChainHead, UploaderState } from "./state.ts";

/** A name that nobody can guess, for an object that begins now. */
export function newKey(source: Described, context: PublishContext): string {
  const at = new Date(context.timing.now());
  return formatDropZoneName({ host: context.host, set: source.set, at, token: newToken(), name: source.name });
}

/**
 * Signs the next statement and persists it with its number. Called immediately before the first request that
 * publishes it. The number stays this statement's whatever becomes of the request.
 * @param alongside writes to the state that become lasting with it or not at all
 */
export function issueStatement(
  source: Described,
  object: { readonly key: string; readonly sizeBytes: number; readonly sha256: string },
  context: PublishContext,
  alongside?: (signed: SignedStatement) => void,
): SignedStatement {
  const sign = (head: ChainHead): SignedStatement =>
    signStatement(
      {
        v: 1,
        bucket: context.writer.bucket,
        key: object.key,
        host: context.host,
        set: source.set,
        epoch: head.epoch,
        seq: head.seq + 1,
        prev: head.digest,
        size: object.sizeBytes,
        sha256: object.sha256,
        encoding: [...source.encoding],
        startedAt: source.startedAt.toISOString(),
      },
      context.signingKey,
    );
  return context.state.issue(sign, alongside);
}

/**
 * Publishing of which nothing can be taken up again: when it fails, the numbers that it was given are left to
 * {@link settleUnpublished}, as if this process had ended. An agent lives for months.
 */
export async function publishOrAbandon<Result>(
  context: PublishContext,
  work: (context: PublishContext) => Promise<Result>,
): Promise<Result> {
  const { state } = context;
  const issued: SignedStatement[] = [];
  const issue: UploaderState["issue"] = (sign, alongside) => {
    const signed = state.issue(sign, alongside);
    issued.push(signed);
    return signed;
  };
  try {
    return await work({ ...context, state: { ...state, issue } });
  } catch (error) {
    for (const { statement } of issued) state.abandon(statement);
    throw error;
  }
}

const STATEMENT_ATTRIBUTES: ObjectAttributes = { metadata: new Map(), contentType: "application/json" };

/** Puts the statement beside its object, always with the same bytes. */
export function putStatement(signed: SignedStatement, mayExist: boolean, context: PublishContext): Promise<Creation> {
  const key = signed.statement.key + STATEMENT_SUFFIX;
  const bytes = Buffer.from(formatStatement(signed), "utf8");
  const options = { attributes: STATEMENT_ATTRIBUTES, signal: context.signal };
  return createOnce(() => context.writer.createObject(key, bytes, options), mayExist, retryContextOf(context, key));
}

/** The statement's object is in the store: the number is done with. */
export function confirmPublished(signed: SignedStatement, context: PublishContext, alongside?: () => void): Published {
  const { statement } = signed;
  context.state.markPublished(signed, new Date(context.timing.now()), alongside);
  return {
    key: statement.key,
    sizeBytes: statement.size,
    sha256: statement.sha256,
    epoch: statement.epoch,
    seq: statement.seq,
    encoding: statement.encoding,
  };
}

/**
 * The object's name was taken on a first attempt. The number is not used again, since a request that carried the
 * statement has been sent; put beside the name it stands for itself, so that the vault side sees no hole.
 */
export async function giveUpName(
  signed: SignedStatement,
  isPut: boolean,
  context: PublishContext,
  alongside?: () => void,
): Promise<void> {
  const { key, seq, host, set } = signed.statement;
  context.log.warn("name-taken", { host, set, key, seq });
  if (!isPut) await putStatement(signed, true, context);
  context.state.markPublished(signed, null, alongside);
}

/**
 * Accounts for the numbers of processes that ended without learning what became of theirs: each statement is put
 * beside its object, where it stands for its number whether the object came or not. What fails is left for next time.
 */
export async function settleUnpublished(context: PublishContext): Promise<void> {
  const { state, writer, log, signal } = context;
  for (const left of state.listUnpublished(100)) {
    const key = left.key + STATEMENT_SUFFIX;
    try {
      await writer.createObject(key, Buffer.from(left.envelope, "utf8"), { attributes: STATEMENT_ATTRIBUTES, signal });
    } catch (error) {
      if (signal.aborted || !isAirlockError(error)) throw error;
      if (error.code !== "already-exists") {
        log.failure("upload-retry", error, { key, seq: left.seq });
        return;
      }
    }
    state.forgetUnpublished(left);
    log.info("statement-settled", { key, seq: left.seq });
  }
}
