/** A spool in a folder of its own, as the processes that share it one after the other or at once see it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AirlockError, type Code } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { silentLog, type Event } from "../../../shared/log.ts";
import type { Timing } from "../../../shared/retry.ts";
import { parseInlineStatement, parseStatement, statementDigest, type Statement } from "../../../shared/statement.ts";
import type { DropZoneWriter } from "../../../shared/stores.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import type { PublishContext, UploadSource } from "../../../uploader/publish-context.ts";
import { openSpool, type Spool, type WaitingObject } from "../../../uploader/spool.ts";
import { openSpoolFiles, type SpoolFiles } from "../../../uploader/spool-files.ts";
import { openState, type UploaderState } from "../../../uploader/state.ts";
import type { MemoryStore } from "./memory-store.ts";

export const MIB = 1024 ** 2;
export const AT = Date.parse("2026-11-21T02:15:00.000Z");
const key = generateSigningKey();
const STATEMENT_SUFFIX = ".airlock.json";

/** A process that has ended, and two that run. */
export const DEAD = ownerOf(2 ** 22 - 1);
export const THIS = ownerOf(process.pid);
export const OTHER = ownerOf(process.ppid);

export function error(code: Code): AirlockError {
  return new AirlockError(code, code);
}

/** Bytes that differ everywhere, so that a part out of its place is noticed. */
export function bytesOf(size: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(size);
  for (let offset = 0; offset + 4 <= size; offset += 4) {
    bytes.writeUInt32LE(((offset + seed) * 2_654_435_761) % 2 ** 32, offset);
  }
  return bytes;
}

export function sourceOf(bytes: Uint8Array, options: Partial<UploadSource> = {}): UploadSource {
  return {
    set: "etc",
    name: "etc.tar",
    encoding: ["tar"],
    startedAt: new Date(AT),
    expectedBytes: null,
    isRepeatable: false,
    open: async function* () {
      for (let start = 0; start < bytes.length; start += 100_000) yield bytes.subarray(start, start + 100_000);
    },
    ...options,
  };
}

/** One process's view. */
export interface Process extends Disposable {
  readonly state: UploaderState;
  readonly spool: Spool;
  readonly context: PublishContext;
  store(source: UploadSource, note?: string): Promise<WaitingObject>;
}

export interface ProcessOptions {
  readonly owner?: string;
  readonly limitBytes?: number;
  readonly files?: (real: SpoolFiles) => SpoolFiles;
  readonly timing?: Timing;
  readonly signal?: AbortSignal;
}

export interface SpoolScene extends Disposable {
  readonly folder: string;
  readonly events: Event[];
  /** Bytes that were let pass to the store. */
  passedBytes: number;
  open(writer: DropZoneWriter, options?: ProcessOptions): Process;
  listFiles(): string[];
}

export function openScene(): SpoolScene {
  const folder = mkdtempSync(join(tmpdir(), "airlock-spool-"));
  const events: Event[] = [];
  const record = (event: Event): void => void events.push(event);
  const log = { ...silentLog, info: record, warn: record, error: record, failure: record };
  const scene: SpoolScene = {
    folder,
    events,
    passedBytes: 0,
    open(writer, options = {}) {
      const { owner = THIS, limitBytes = 1024 * MIB, files = (real) => real } = options;
      const [bucket, host] = ["acme-dropzone", "web1"];
      const state = openState({ spoolFolder: folder, bucket, host, owner });
      const spool = openSpool({ folder, limitBytes, state, bucket, host, owner, log }, files(openSpoolFiles(folder)));
      const context: PublishContext = {
        host,
        signingKey: key,
        writer,
        state,
        spoolFolder: folder,
        log,
        timing: options.timing ?? { now: () => AT, random: () => 0, sleep: () => Promise.resolve() },
        signal: options.signal ?? new AbortController().signal,
        onBytes: (sizeBytes) => void (scene.passedBytes += sizeBytes),
      };
      const store = async (source: UploadSource, note?: string): Promise<WaitingObject> => {
        const stored = await spool.store(source, note ?? null, context);
        assert.ok(stored.kind === "waiting");
        return stored;
      };
      return { state, spool, context, store, [Symbol.dispose]: () => state[Symbol.dispose]() };
    },
    listFiles: () => readdirSync(join(folder, "waiting")),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
  return scene;
}

/** Nothing waits, nothing is left, no number is open. */
export function assertSpoolEmpty(scene: SpoolScene, { state, spool }: Process): void {
  assert.deepEqual(scene.listFiles(), []);
  assert.deepEqual([spool.usage().objects, spool.usage().bytes], [0, 0]);
  for (const table of ["waiting", "waiting_part"]) {
    assert.equal(state.database.sql.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n, 0, table);
  }
  assert.equal(state.countUnpublished(), 0);
}

/** All statements, each held against its object: the ones with an object, and the ones alone. */
export function readStore(store: MemoryStore): { objects: Statement[]; alone: Statement[] } {
  const objects: Statement[] = [];
  const alone: Statement[] = [];
  for (const [name, { body, metadata }] of store.objects) {
    if (name.endsWith(STATEMENT_SUFFIX)) {
      if (!store.objects.has(name.slice(0, -STATEMENT_SUFFIX.length))) alone.push(parseStatement(body, name).statement);
      continue;
    }
    const inline = metadata.get("airlock");
    const beside = store.objects.get(name + STATEMENT_SUFFIX);
    const { statement } =
      inline === undefined ? parseStatement(beside?.body ?? Buffer.alloc(0), name) : parseInlineStatement(inline, name);
    assert.equal(statement.key, name);
    assert.equal(statement.sha256, createHash("sha256").update(body).digest("hex"));
    objects.push(statement);
  }
  return { objects, alone };
}

/** Numbers 1 to n, each in exactly one statement, each chained to the one before. */
export function assertSequenceWhole(store: MemoryStore): void {
  const { objects, alone } = readStore(store);
  const bySeq = [...objects, ...alone].toSorted((one, other) => one.seq - other.seq);
  for (const [index, statement] of bySeq.entries()) {
    const former = bySeq[index - 1];
    assert.equal(statement.seq, index + 1, "no hole and no number twice");
    assert.equal(statement.prev, former === undefined ? null : statementDigest(former));
  }
}
