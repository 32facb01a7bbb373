import { Encrypter } from "age-encryption";
import { z } from "zod";
import { readConfig } from "../shared/config/read-config.ts";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { storeOf, storeSchema } from "../shared/config/store.ts";
import { durationSchema, sizeSchema } from "../shared/config/units.ts";
import { absolutePath, hostName, mapOf, setName } from "../shared/config/values.ts";
import type { Compression } from "./compress.ts";
import { machineTimeZone } from "./schedule.ts";
import {
  notifyOf,
  notifySchema,
  setOf,
  setSchema,
  timeZoneName,
  type NotifyConfig,
  type SetConfig,
} from "./set-config.ts";

export interface UploaderConfig {
  readonly host: string;
  readonly dropZone: StoreConfig;
  readonly signingKeyFile: string;
  /** `none` only where the configuration says so in that word. */
  readonly encrypt: { readonly recipients: readonly string[] } | "none";
  readonly compress: Compression | "none";
  /** null: no limit. */
  readonly bandwidthBytesPerSecond: number | null;
  /** A folder. */
  readonly spool: string;
  /** So much may wait on disk. */
  readonly spoolLimitBytes: number;
  /** So much may parts under way hold. */
  readonly memoryBytes: number;
  /** Each scheduled run starts a random time up to this later. */
  readonly jitterMs: number;
  readonly sets: ReadonlyMap<string, SetConfig>;
  /** Where a set has none of its own; what `check` finds in the agent goes there too. */
  readonly notify: NotifyConfig;
}

/** The set of what `check` puts; nothing else goes there. */
export const CHECK_SET = "check";

const backupSet = setName.refine((name) => name !== CHECK_SET, {
  error: "another name: what `airlock-uploader check` puts lies there",
});

const RECIPIENT = "an age recipient (age1…), as `airlock keygen` prints it";
const recipient = z.string({ error: RECIPIENT }).refine(isRecipient, { error: RECIPIENT });

function isRecipient(text: string): boolean {
  try {
    new Encrypter().addRecipient(text);
    return true;
  } catch {
    return false; // addRecipient throws for exactly this reason: bad prefix, characters or checksum
  }
}

const ENCRYPT = "{ recipients: [age1…] }, or the word none for backups that anyone with the vault can read";
const RECIPIENTS = "at least one age recipient; with none, write encrypt: none";
const encrypt = z.union(
  [
    z.literal("none"),
    z.strictObject({
      recipients: z
        .array(recipient, { error: RECIPIENTS })
        .min(1, { error: RECIPIENTS })
        .superRefine((list, context) => {
          for (const [index, text] of list.entries()) {
            if (list.indexOf(text) === index) continue;
            context.addIssue({ code: "custom", path: [index], message: "each recipient once" });
          }
        }),
    }),
  ],
  { error: ENCRYPT },
);

const ZSTD_LEVEL = 3;
const LEVEL = "a whole number from 1 to 19; the default is 3";
/** Up to 27: zstd decompresses that, and no more, without being told to. */
const LONG = "a whole number from 20 to 27: the window is 2 to that power of bytes";
const compress = z
  .union(
    [
      z.enum(["zstd", "none"]),
      z.strictObject({
        zstd: z.strictObject({
          level: z.int({ error: LEVEL }).min(1, { error: LEVEL }).max(19, { error: LEVEL }).optional(),
          long: z.int({ error: LONG }).min(20, { error: LONG }).max(27, { error: LONG }).optional(),
        }),
      }),
    ],
    { error: "zstd, none, or { zstd: { level: 1 to 19, long: 20 to 27 } }" },
  )
  .default("zstd")
  .transform((given): Compression | "none" => {
    if (given === "none") return given;
    const { level = ZSTD_LEVEL, long = null } = given === "zstd" ? {} : given.zstd;
    return { level, windowLog: long };
  });

export const uploaderSchema = z
  .strictObject({
    host: hostName,
    dropZone: storeSchema({}),
    signingKey: absolutePath,
    encrypt,
    compress,
    bandwidth: sizeSchema({ min: "1kB" }).optional(),
    spool: absolutePath,
    spoolLimit: sizeSchema().default(10 * 2 ** 30),
    memory: sizeSchema({ min: "32MiB" }).default(48 * 2 ** 20),
    timeZone: timeZoneName.optional(),
    jitter: durationSchema({ max: "1d" }).default(60_000),
    sets: mapOf(backupSet, setSchema).default(new Map()),
    notify: notifySchema.optional(),
  })
  .transform((given): UploaderConfig => {
    const defaults = { timeZone: given.timeZone ?? machineTimeZone(), notify: notifyOf(given.notify) };
    return {
      host: given.host,
      dropZone: storeOf(given.dropZone),
      signingKeyFile: given.signingKey,
      encrypt: given.encrypt,
      compress: given.compress,
      bandwidthBytesPerSecond: given.bandwidth ?? null,
      spool: given.spool,
      spoolLimitBytes: given.spoolLimit,
      memoryBytes: given.memory,
      jitterMs: given.jitter,
      sets: new Map([...given.sets].map(([name, entry]) => [name, setOf(name, entry, defaults)])),
      notify: defaults.notify,
    };
  });

/** @throws {AirlockError} `config-invalid`, naming every fault */
export function readUploaderConfig(file: string): Promise<UploaderConfig> {
  return readConfig(file, uploaderSchema);
}
