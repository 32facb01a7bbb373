import { createHash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import { inlineStatement, STATEMENT_METADATA, type SignedStatement } from "../shared/statement.ts";
import { createOnce, retryContextOf, type Creation } from "./creating.ts";
import { confirmPublished, giveUpName, issueStatement, newKey, putStatement } from "./issue-statement.ts";
import type { PublishContext, Published, UploadSource } from "./publish-context.ts";

/** A name of 128 random bits that is taken again and again means a store that says so of every name. */
export const MAX_NAMES = 3;

/** An object whose bytes are all here: one create-only PUT, which brings its statement along where that fits. */
export async function publishSmall(
  source: UploadSource,
  body: Uint8Array,
  context: PublishContext,
): Promise<Published> {
  const sha256 = createHash("sha256").update(body).digest("hex");
  for (let names = 1; names <= MAX_NAMES; names++) {
    const key = newKey(source, context);
    const signed = issueStatement(source, { key, sizeBytes: body.length, sha256 }, context);
    if ((await putWhole(signed, body, false, context)) === "stored") return confirmPublished(signed, context);
    await giveUpName(signed, isBeside(signed), context);
  }
  throw allNamesTaken(context);
}

/**
 * The requests that publish an object whose bytes are all here, each always the same.
 * @param mayExist they may have been sent before
 */
export async function putWhole(
  signed: SignedStatement,
  body: Uint8Array,
  mayExist: boolean,
  context: PublishContext,
): Promise<Creation> {
  const { key } = signed.statement;
  const inline = inlineStatement(signed);
  if (inline === null && (await putStatement(signed, mayExist, context)) === "name-taken") return "name-taken";
  const metadata = new Map(inline === null ? [] : [[STATEMENT_METADATA, inline]]);
  const create = () => context.writer.createObject(key, body, { attributes: { metadata }, signal: context.signal });
  return createOnce(create, mayExist, retryContextOf(context, key));
}

/** Whether {@link putWhole} puts the statement beside the object. */
export function isBeside(signed: SignedStatement): boolean {
  return inlineStatement(signed) === null;
}

export function allNamesTaken({ writer }: PublishContext): AirlockError {
  return new AirlockError("already-exists", `the store says of ${MAX_NAMES} random names that they are taken`, {
    subject: writer.bucket,
    remedy: "run `airlock-uploader check`: does this store honour If-None-Match?",
  });
}
