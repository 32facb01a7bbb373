/**
 * `spool-program.ts CONFIG NAME SIZE KILL_AT`: finishes what former ones left, says so and waits for a line; then stores
 * an object of that name and size in the spool and publishes it, killing itself at the KILL_ATth point at which something
 * has become lasting on the disk (0: at none).
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeSync } from "node:fs";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import { parseSigningKey } from "../../../shared/keys.ts";
import { silentLog } from "../../../shared/log.ts";
import { realTiming } from "../../../shared/retry.ts";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { openDatabase, type UploaderDatabase } from "../../../uploader/database.ts";
import { drainSpool } from "../../../uploader/drain.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import type { PublishContext, UploadSource } from "../../../uploader/publish-context.ts";
import { openSpool } from "../../../uploader/spool.ts";
import { openSpoolFiles, type SpoolFiles } from "../../../uploader/spool-files.ts";
import { openState } from "../../../uploader/state.ts";

export interface ProgramConfig {
  readonly host: string;
  readonly spoolFolder: string;
  readonly signingKeyFile: string;
  readonly dropZone: StoreConfig;
}

const [configText = "{}", name = "", sizeText = "0", killAtText = "0"] = process.argv.slice(2);
const sizeBytes = Number(sizeText);
const killAt = Number(killAtText);
let isArmed = false;
let points = 0;

function pass(): void {
  if (isArmed && ++points === killAt) process.kill(process.pid, "SIGKILL");
}

/** At once and not through a queue, which would end with the process. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

function watchDatabase(database: UploaderDatabase): UploaderDatabase {
  return {
    ...database,
    transact: (work) => {
      const before = countChanges(database);
      const result = database.transact(work);
      if (countChanges(database) !== before) pass();
      return result;
    },
  };
}

function countChanges({ sql }: UploaderDatabase): unknown {
  return sql.prepare("SELECT total_changes() AS n").get()?.n;
}

function watchFiles(files: SpoolFiles): SpoolFiles {
  return {
    ...files,
    async create(id) {
      const file = await files.create(id);
      pass();
      let isFirst = true;
      return {
        async append(bytes) {
          await file.append(bytes);
          if (isFirst) pass();
          isFirst = false;
        },
        async sync() {
          await file.sync();
          pass();
        },
        [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
      };
    },
    async remove(id) {
      await files.remove(id);
      pass();
    },
  };
}

/** The same bytes for the same name. */
function bytesOf(seed: string): Buffer {
  const block = createHash("sha512").update(seed).digest();
  return Buffer.alloc(sizeBytes, block);
}

// spool-rounds.ts wrote it
const { host, spoolFolder: folder, signingKeyFile, dropZone } = JSON.parse(configText) as ProgramConfig;
const { bucket } = dropZone;
const owner = ownerOf(process.pid);
await using writer = await openDropZoneWriter(dropZone, { integrity: "checksum-unsigned" });
using state = openState({ spoolFolder: folder, bucket, host, owner }, watchDatabase(openDatabase(folder)));
const files = watchFiles(openSpoolFiles(folder));
const spool = openSpool({ folder, limitBytes: 1e9, state, bucket, host, owner, log: silentLog }, files);
const context: PublishContext = {
  host,
  signingKey: parseSigningKey(readFileSync(signingKeyFile, "utf8"), signingKeyFile),
  writer,
  state,
  spoolFolder: folder,
  log: silentLog,
  timing: realTiming,
  signal: AbortSignal.timeout(60_000),
  onBytes: () => undefined,
};
const source: UploadSource = {
  set: "files",
  name,
  encoding: [],
  startedAt: new Date(),
  expectedBytes: null,
  isRepeatable: false,
  open: async function* () {
    yield bytesOf(name);
  },
};

async function drain(): Promise<void> {
  const onPublished = (): void => undefined;
  const onFailed = (_: unknown, error: Error): void => {
    throw error;
  };
  await drainSpool({ spool, context, concurrency: 2, onPublished, onFailed, until: "empty" });
}

say("up");
await drain();
say("recovered");
await once(process.stdin, "data");
process.stdin.destroy();
isArmed = true;
const stored = await spool.store(source, null, context);
if (stored.kind !== "waiting") throw new Error("there is room enough");
say(`stored ${stored.sha256}`);
const storedAt = points;
spool.unclaim(stored);
await drain();
say(`points ${storedAt} ${points}`);
