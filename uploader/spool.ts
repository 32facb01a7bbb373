import type { FileHandle } from "node:fs/promises";
import { AirlockError, toAirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";
import type { Log } from "../shared/log.ts";
import type { EncodingStep } from "../shared/statement.ts";
import type { PublishContext, Published, UploadSource } from "./publish-context.ts";
import { openSpoolFiles, type SpoolFiles } from "./spool-files.ts";
import { storeInSpool } from "./spool-store.ts";
import type { UploaderState } from "./state.ts";
import { openWaitingTable, type WaitingTable } from "./waiting-table.ts";

/** A finished encoding that waits on the disk until the store has it. */
export interface WaitingObject {
  readonly kind: "waiting";
  readonly id: string;
  readonly set: string;
  /** The object's, with its suffixes. */
  readonly name: string;
  readonly encoding: readonly EncodingStep[];
  readonly startedAt: Date;
  /** Of the stored bytes. */
  readonly sizeBytes: number;
  /** Hex, of the stored bytes. */
  readonly sha256: string;
  readonly spooledAt: Date;
  /** Opaque to the spool: who put it there gets it back. */
  readonly note: string | null;
}

/** A source that the spool had no room for, published as it was read. */
export interface StraightThrough {
  readonly kind: "published";
  readonly published: Published;
}

export interface SpoolUsage {
  /** Of this bucket and host. */
  readonly objects: number;
  /** All that counts against the limit: what waits, what is being written, whatever bucket or host it is for. */
  readonly bytes: number;
  /** When the oldest of these objects was spooled. */
  readonly oldestAt: Date | null;
  readonly limitBytes: number;
}

/**
 * Bodies as files `waiting/<id>` in the spool folder, what is known of them in the uploader's state. Several processes
 * share it. An object is claimed by one process at a time; the claim of a process that has ended counts for nothing.
 */
export interface Spool {
  /**
   * Takes in all that the source has. An object that waits survives a power cut and is claimed by this process when
   * this returns. A source that outgrows the room while it is read goes straight through.
   * @throws {AirlockError} `spool-full` when what waits leaves no room at all, `disk-full`, or the source's own
   */
  store(source: UploadSource, note: string | null, context: PublishContext): Promise<WaitingObject | StraightThrough>;
  /** The oldest that no living process has claimed, leaving out those in `except`. */
  claimNext(except?: ReadonlySet<string>): WaitingObject | null;
  /** null when it does not wait any more, or when a living process has it, be it this one. */
  claim(id: string): WaitingObject | null;
  /** Never throws: where the state can't be written, the claim goes before the next one is made. */
  unclaim(object: WaitingObject): void;
  usage(): SpoolUsage;
  /** Clears away what processes that ended left behind: what never became whole, what has been published. */
  removeLeftovers(): Promise<void>;
  /** Aborted as soon as this process unclaims an object; then there is another one. */
  readonly unclaimed: AbortSignal;
  /** For {@link publishWaiting}: how far it had come. */
  readonly progress: WaitingTable;
  /** For {@link publishWaiting}. @throws {AirlockError} `spool-damaged` for a body that is gone or has another size */
  openBody(object: WaitingObject): Promise<FileHandle>;
  /** Removes file and row of an object that is done; what fails is left to {@link removeLeftovers}. */
  discard(object: WaitingObject): Promise<void>;
}

export interface SpoolOptions {
  /** The spool folder, which holds the state as well. */
  readonly folder: string;
  readonly limitBytes: number;
  readonly state: UploaderState;
  readonly bucket: string;
  readonly host: string;
  /** See {@link ownerOf}; the state's own. */
  readonly owner: string;
  readonly log: Log;
}

/** @throws {AirlockError} `disk-full`, or `config-invalid` when the folder can't be used */
export function openSpool(options: SpoolOptions, files = openSpoolFiles(options.folder)): Spool {
  const { limitBytes, state, bucket, host, owner, log } = options;
  const table = openWaitingTable({ database: state.database, bucket, host, owner });
  /** Rows that this process could not clear away when it gave their writing up. */
  const abandoned = new Set<string>();
  /** Claims that this process has given up and whose rows could not be written: a full disk, for instance. */
  const owed = new Set<string>();
  let unclaimed = new AbortController();

  const giveBack = (): void => {
    for (const id of owed) {
      table.unclaim(id);
      owed.delete(id);
    }
  };

  const clear = async (id: string): Promise<void> => {
    await files.remove(id);
    table.remove(id);
    abandoned.delete(id);
  };
  const removeLeftovers = async (): Promise<void> => {
    // A row is there before its file and goes after it: a file that is seen now and has no row is nobody's.
    const named = await files.list();
    const done = table.takeLeftovers(abandoned);
    const known = table.listIds();
    for (const id of done) await clear(id);
    const unknown = named.filter((name) => !known.has(name));
    for (const name of unknown) await files.remove(name);
    if (done.length + unknown.length > 0)
      log.info("spool-leftover", { host, rows: done.length, files: unknown.length });
  };
  const discard = async (id: string): Promise<void> => {
    try {
      await clear(id);
    } catch (error) {
      log.failure("spool-leftover", toAirlockError(error), { host, id });
    }
  };

  return {
    store: (source, note, context) =>
      storeInSpool(source, note, { table, files, limitBytes, abandoned, removeLeftovers, discard }, context),
    claimNext(except = new Set()) {
      giveBack();
      return table.claimNext(except);
    },
    claim: (id) => table.claim(id),
    unclaim({ id }) {
      owed.add(id);
      try {
        giveBack();
      } catch (error) {
        log.failure("spool-held", toAirlockError(error), { host, id });
      }
      const former = unclaimed;
      unclaimed = new AbortController();
      former.abort();
    },
    usage: () => ({ ...table.countWaiting(), bytes: table.readRoom().usedBytes, limitBytes }),
    removeLeftovers,
    get unclaimed() {
      return unclaimed.signal;
    },
    progress: table,
    openBody: (object) => openBody(object, files, table),
    discard: ({ id }) => discard(id),
  };
}

async function openBody(object: WaitingObject, files: SpoolFiles, table: WaitingTable): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await files.open(object.id);
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw damaged(object.id, "it can't be opened", cause);
    // Nothing can ever come of the row. A number that it has is settled before the next upload.
    table.giveUp(object.id);
    table.remove(object.id);
    throw damaged(object.id, "the file is gone, and the object no longer waits", cause);
  }
  const { size } = await file.stat();
  if (size === object.sizeBytes) return file;
  await file.close();
  throw damaged(object.id, `it has ${size} bytes, ${object.sizeBytes} were written`);
}

export function damaged(id: string, what: string, cause?: unknown): AirlockError {
  return new AirlockError("spool-damaged", `a file of the spool is not what was written: ${what}`, {
    subject: `waiting/${id}`,
    remedy: "run its set again and look after the disk; once the file is removed, the spool forgets the object",
    cause,
  });
}
