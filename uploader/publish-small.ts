import { createHash } from "node:crypto";
import { AirlockError } from "../shared/errors.ts";
import { inlineStatement, STATEMENT_METADATA } from "../shared/statement.ts";
import { createOnce, retryContextOf } from "./creating.ts";
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
    const inline = inlineStatement(signed);
    if (inline === null && (await putStatement(signed, false, context)) === "name-taken") {
      await giveUpName(signed, true, context);
      continue;
    }
    const metadata = new Map(inline === null ? [] : [[STATEMENT_METADATA, inline]]);
    const options = { attributes: { metadata }, signal: context.signal };
    const creation = await createOnce(
      () => context.writer.createObject(key, body, options),
      false,
      retryContextOf(context, key),
    );
    if (creation === "stored") return confirmPublished(signed, context);
    await giveUpName(signed, inline === null, context);
  }
  throw allNamesTaken(context);
}

export function allNamesTaken({ writer }: PublishContext): AirlockError {
  return new AirlockError("already-exists", `the store says of ${MAX_NAMES} random names that they are taken`, {
    subject: writer.bucket,
    remedy: "run `airlock-uploader check`: does this store honour If-None-Match?",
  });
}
