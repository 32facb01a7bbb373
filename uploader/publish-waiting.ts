import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { isAirlockError } from "../shared/errors.ts";
import type { SignedStatement } from "../shared/statement.ts";
import type { MultipartUpload } from "../shared/stores.ts";
import { createOnce, repeatSafely, retryContextOf, type Creation } from "./creating.ts";
import {
  confirmPublished,
  giveUpName,
  issueStatement,
  newKey,
  putStatement,
  settleUnpublished,
} from "./issue-statement.ts";
import { partSizeAt, SMALL_OBJECT_BYTES } from "./part-size.ts";
import type { PublishContext, Published } from "./publish-context.ts";
import { lostUpload } from "./publish-large.ts";
import { allNamesTaken, isBeside, MAX_NAMES, putWhole } from "./publish-small.ts";
import { damaged, type Spool, type WaitingObject } from "./spool.ts";
import { reportDone } from "./upload-done.ts";
import { sendMissingParts } from "./waiting-parts.ts";
import { findAlteredParts } from "./waiting-check.ts";

/** An upload that the store loses again and again is not this program's to mend. */
const MAX_UPLOADS = 3;
/** A store that leaves completing one upload in doubt this often, and answers otherwise, is asked to begin anew. */
const MAX_DOUBTS = 3;

/** One object, claimed, with its bytes open. */
interface Work {
  readonly object: WaitingObject;
  readonly file: FileHandle;
  readonly spool: Spool;
  readonly context: PublishContext;
}

/**
 * Publishes an object that this process has claimed, going on wherever a former process stopped: whatever a later request
 * needs is on the disk before it is sent. When the store has confirmed it, one transaction says so of the number and of
 * the object; then the file is unlinked, then the row goes.
 * @param alongside writes to the state's database that become lasting in that transaction
 * @throws {AirlockError} the object stays as it is, claimed, with all that has been done for it; or `spool-damaged`
 */
export async function publishWaiting(
  object: WaitingObject,
  spool: Spool,
  context: PublishContext,
  alongside?: (object: WaitingObject) => void,
): Promise<Published> {
  const begun = context.timing.now();
  await settleUnpublished(context);
  const published = await publishBody({ object, spool, context }, alongside);
  reportDone(published, object.set, begun, context);
  await spool.discard(object);
  return published;
}

async function publishBody(given: Omit<Work, "file">, alongside?: (object: WaitingObject) => void): Promise<Published> {
  const { object, spool, context } = given;
  await using file = await spool.openBody(object);
  const work: Work = { ...given, file };
  const isLarge = object.sizeBytes > SMALL_OBJECT_BYTES;
  const bytes = isLarge ? null : await readWhole(work);
  for (let names = 1; names <= MAX_NAMES; names++) {
    const { signed, creation } = bytes === null ? await sendLarge(work) : await sendSmall(work, bytes);
    const { id } = object;
    if (creation === "stored") {
      return confirmPublished(signed, context, () => {
        spool.progress.markDoneAlongside(id);
        alongside?.(object);
      });
    }
    const isPut = bytes === null || isBeside(signed);
    await giveUpName(signed, isPut, context, () => spool.progress.startOverAlongside(id));
  }
  throw allNamesTaken(context);
}

interface Sent {
  readonly signed: SignedStatement;
  readonly creation: Creation;
}

async function readWhole({ object, file, context }: Work): Promise<Uint8Array> {
  const bytes = await file.readFile().catch((cause: unknown) => {
    throw damaged(object.id, "it can't be read", cause);
  });
  if (bytes.length !== object.sizeBytes || createHash("sha256").update(bytes).digest("hex") !== object.sha256) {
    throw damaged(object.id, "its digest is another");
  }
  context.onBytes(bytes.length);
  return bytes;
}

/** From the moment at which its statement is on the disk, a request of ours may have created the object. */
async function sendSmall(work: Work, bytes: Uint8Array): Promise<Sent> {
  const former = work.spool.progress.readProgress(work.object.id).signed;
  const signed = former ?? issue(newKey(work.object, work.context), work);
  return { signed, creation: await putWhole(signed, bytes, former !== null, work.context) };
}

/** Begins again, though under the same name and with the identical statement, where the store has lost the upload. */
async function sendLarge(work: Work): Promise<Sent> {
  const { object, spool, context } = work;
  for (let uploads = 1; ; uploads++) {
    try {
      return await sendUpload(work);
    } catch (error) {
      if (!isAirlockError(error, "upload-missing")) throw error;
      spool.progress.forgetUpload(object.id);
      if (uploads === MAX_UPLOADS) throw lostUpload(object.name, error);
      context.log.failure("upload-retry", error, { key: object.name, failures: uploads });
    }
  }
}

/**
 * begin → parts → check → issue → put the statement → complete, each step left out that is done. The statement is put
 * again before each completion: a mover may have taken the first together with the object.
 */
async function sendUpload(work: Work): Promise<Sent> {
  const { object, spool, context } = work;
  const former = spool.progress.readProgress(object.id).signed;
  const upload = await beginOnce(work, former);
  await sendParts(work, former !== null);
  const signed = former ?? issue(upload.key, work);
  const creation = await putStatement(signed, former !== null, context);
  return { signed, creation: creation === "stored" ? await complete(work, upload, former !== null) : creation };
}

async function beginOnce({ object, spool, context }: Work, former: SignedStatement | null): Promise<MultipartUpload> {
  const { upload } = spool.progress.readProgress(object.id);
  if (upload !== null) return upload.begun;
  const key = former?.statement.key ?? newKey(object, context);
  const options = { attributes: { metadata: new Map<string, string>() }, signal: context.signal };
  const begun = await repeatSafely(() => context.writer.beginUpload(key, options), retryContextOf(context, key));
  // Killed before this is on the disk: an upload that nobody sees, which the bucket's lifecycle rule ends.
  spool.progress.noteUpload(object.id, begun, partSizeAt(1, object.sizeBytes));
  context.log.debug("upload-begun", { host: context.host, set: object.set, key });
  return begun;
}

/** When this returns, the store has confirmed all parts, and they are what was spooled. */
async function sendParts({ object, file, spool, context }: Work, isChecked: boolean): Promise<void> {
  for (let rounds = 1; ; rounds++) {
    const sent = await sendMissingParts(object, file, spool.progress, context);
    // A former process checked them all before it issued the statement.
    if (sent === 0 && isChecked && rounds === 1) return;
    const { parts, upload } = spool.progress.readProgress(object.id);
    const partBytes = upload?.partBytes ?? object.sizeBytes;
    const altered = await findAlteredParts(object, file, { parts, partBytes }, context.signal);
    if (altered.length === 0) return;
    spool.progress.forgetParts(object.id, altered);
    if (rounds === MAX_UPLOADS) throw damaged(object.id, "what is read of it differs from time to time");
  }
}

async function complete(
  { object, spool, context }: Work,
  upload: MultipartUpload,
  mayExist: boolean,
): Promise<Creation> {
  const { parts } = spool.progress.readProgress(object.id);
  const attempt = () => context.writer.completeUpload(upload, parts, context.signal);
  try {
    return await createOnce(attempt, mayExist, retryContextOf(context, upload.key));
  } catch (error) {
    if (isAirlockError(error, "outcome-unknown") && spool.progress.countCompletion(object.id) >= MAX_DOUBTS) {
      spool.progress.forgetUpload(object.id);
    }
    throw error;
  }
}

function issue(key: string, { object, spool, context }: Work): SignedStatement {
  return issueStatement(object, { ...object, key }, context, (signed) =>
    spool.progress.noteIssuedAlongside(object.id, signed),
  );
}
