import { AirlockError, isAirlockError } from "../shared/errors.ts";
import type { SignedStatement } from "../shared/statement.ts";
import type { MultipartUpload, UploadedPart } from "../shared/stores.ts";
import { readBytes, type ByteReader } from "./byte-reader.ts";
import { createOnce, repeatSafely, retryContextOf, type Creation } from "./creating.ts";
import { confirmPublished, giveUpName, issueStatement, newKey, putStatement } from "./issue-statement.ts";
import type { PublishContext, Published, UploadSource } from "./publish-context.ts";
import { allNamesTaken, MAX_NAMES } from "./publish-small.ts";
import { uploadParts } from "./upload-parts.ts";

/** An upload that the store loses again and again is not this program's to mend. */
const MAX_COMPLETIONS = 3;

/** A multipart upload whose bytes are all in the store; nobody sees them yet. */
interface Staged {
  readonly upload: MultipartUpload;
  readonly parts: readonly UploadedPart[];
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * stage → issue → put the statement → complete. The statement is there before the object can be seen, and its number is
 * given out only once the bytes are known.
 *
 * @param reader the source, opened, of which nothing has been taken that is not still to be read
 */
export async function publishLarge(
  source: UploadSource,
  reader: ByteReader,
  context: PublishContext,
): Promise<Published> {
  let next: ByteReader | null = reader;
  for (let names = 1; names <= MAX_NAMES; names++) {
    await using bytes: ByteReader =
      next ?? openAgain(source, context, "already-exists", "the name of the upload was taken");
    next = null;
    const staged = await stage(source, newKey(source, context), bytes, context);
    const signed = issueStatement(source, { ...staged, key: staged.upload.key }, context);
    if ((await putStatement(signed, false, context)) === "stored") {
      if ((await complete(source, signed, staged, context)) === "stored") return confirmPublished(signed, context);
    }
    await giveUpName(signed, true, context);
  }
  throw allNamesTaken(context);
}

async function stage(source: UploadSource, key: string, reader: ByteReader, context: PublishContext): Promise<Staged> {
  const options = { attributes: { metadata: new Map<string, string>() }, signal: context.signal };
  const upload = await repeatSafely(() => context.writer.beginUpload(key, options), retryContextOf(context, key));
  context.log.debug("upload-begun", { host: context.host, set: source.set, key });
  const parts = await uploadParts(upload, reader, source.expectedBytes, context).catch((error: unknown) => {
    throw isAirlockError(error, "upload-missing") ? lostUpload(key, error) : error;
  });
  return { upload, parts, sizeBytes: reader.sizeBytes, sha256: reader.digest() };
}

/**
 * Completes the upload; one that the store no longer knows is staged once more under the same name, its statement put
 * again before, since a mover may have taken both in the meantime.
 */
async function complete(
  source: UploadSource,
  signed: SignedStatement,
  first: Staged,
  context: PublishContext,
): Promise<Creation> {
  const { key } = signed.statement;
  let staged = first;
  for (let completions = 1; ; completions++) {
    const attempt = () => context.writer.completeUpload(staged.upload, staged.parts, context.signal);
    try {
      // The upload may be missing because an earlier call did complete it: then the name is there because of us.
      return await createOnce(attempt, completions > 1, retryContextOf(context, key));
    } catch (error) {
      if (!isAirlockError(error, "upload-missing")) throw error;
      if (completions === MAX_COMPLETIONS) throw lostUpload(key, error);
      context.log.failure("upload-retry", error, { key, failures: completions });
      await putStatement(signed, true, context);
      staged = await stageAgain(source, signed, context, error);
    }
  }
}

async function stageAgain(
  source: UploadSource,
  { statement }: SignedStatement,
  context: PublishContext,
  cause: AirlockError,
): Promise<Staged> {
  await using reader = openAgain(
    source,
    context,
    "upload-missing",
    "the store no longer knows the upload (it may have completed it, or lost it)",
    cause,
  );
  const staged = await stage(source, statement.key, reader, context);
  if (staged.sha256 === statement.sha256 && staged.sizeBytes === statement.size) return staged;
  throw new AirlockError("source-changed", "the source changed before it could be sent again", {
    subject: statement.key,
    remedy: "run it again: it is then stored as it is now",
    cause,
  });
}

function openAgain(
  source: UploadSource,
  context: PublishContext,
  code: "upload-missing" | "already-exists",
  message: string,
  cause?: AirlockError,
): ByteReader {
  if (source.isRepeatable) return readBytes((signal) => source.open(signal), context);
  throw new AirlockError(code, `${message}, and what was sent can't be read a second time`, {
    subject: source.name,
    remedy: "run it again: stored twice does no harm, and nothing incomplete counts as stored",
    cause,
  });
}

export function lostUpload(key: string, cause: AirlockError): AirlockError {
  return new AirlockError("upload-missing", "the store lost the upload before it was complete", {
    subject: key,
    remedy: "run it again; let the bucket's lifecycle rule abort incomplete uploads after a day or more, not sooner",
    cause,
  });
}
