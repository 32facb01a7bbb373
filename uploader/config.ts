import { Encrypter } from "age-encryption";
import { z } from "zod";
import { readConfig, refuseUnserved } from "../shared/config/read-config.ts";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { storeOf, storeSchema } from "../shared/config/store.ts";
import { sizeSchema } from "../shared/config/units.ts";
import {
  absolutePath,
  always,
  checkPlaintext,
  cronExpression,
  hostName,
  isRecord,
  mapOf,
  setName,
  webAddress,
} from "../shared/config/values.ts";
import { isObjectName } from "../shared/names.ts";
import type { Compression } from "./encode.ts";

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
  readonly sets: ReadonlyMap<string, SetConfig>;
  /** Addresses that are told how a run went. */
  readonly notify: { readonly success: string | null; readonly failure: string | null };
}

export type SetConfig = CommandSet | PathsSet | WatchSet;

export interface CommandSet {
  readonly kind: "command";
  /** null: by hand only. */
  readonly schedule: string | null;
  /** A program and its arguments; no shell. */
  readonly command: readonly [string, ...string[]];
  /** Of what it writes, without encoding suffixes. */
  readonly name: string;
}

export interface PathsSet {
  readonly kind: "paths";
  readonly schedule: string | null;
  readonly paths: readonly [string, ...string[]];
  /** Patterns for GNU tar. */
  readonly exclude: readonly string[];
  /** Of the archive, without suffixes (`.tar` included). */
  readonly name: string;
}

export interface WatchSet {
  readonly kind: "watch";
  /** Files that appear in this folder are stored one by one. */
  readonly folder: string;
  readonly after: "delete" | "keep";
}

/** Room for `.tar.zst.age` within the 242 bytes of a name. */
const MAX_NAME_BYTES = 230;
const NAME = `a file's name of at most ${MAX_NAME_BYTES} bytes, without a slash`;
const fileName = z
  .string({ error: NAME })
  .refine((name) => isObjectName(name) && Buffer.byteLength(name) <= MAX_NAME_BYTES, { error: NAME });

const argument = z
  .string({ error: "an argument as text" })
  .refine((text) => !text.includes("\0"), { error: "an argument without NUL" });
const COMMAND = "a list: a program and its arguments, such as [pg_dump, -Fc, shop]";
const PATHS = "a list of absolute paths, at least one";
const AFTER = ["delete", "keep"] as const;

const ONE_KIND = "exactly one of command, paths and watch";
/** Which keys a set of each kind may have, its own first. */
const SET_KEYS = new Map([
  ["command", ["schedule", "name"]],
  ["paths", ["schedule", "name", "exclude"]],
  ["watch", ["after"]],
]);

const set = z
  .strictObject(
    {
      schedule: cronExpression.optional(),
      command: z.tuple([argument.min(1, { error: COMMAND })], argument, { error: COMMAND }).optional(),
      paths: z.tuple([absolutePath], absolutePath, { error: PATHS }).optional(),
      watch: absolutePath.optional(),
      name: fileName.optional(),
      exclude: z.array(argument, { error: "a list of patterns" }).optional(),
      after: z.enum(AFTER).optional(),
    },
    { error: `a set: ${ONE_KIND}` },
  )
  .superRefine(checkSet, always);

function checkSet(value: unknown, context: z.RefinementCtx): void {
  if (!isRecord(value)) return;
  const kinds = [...SET_KEYS.keys()].filter((kind) => value[kind] !== undefined);
  const [kind = ""] = kinds;
  if (kinds.length !== 1) {
    context.addIssue({ code: "custom", message: ONE_KIND });
    return;
  }
  for (const key of ["schedule", "name", "exclude", "after"]) {
    if (value[key] === undefined || SET_KEYS.get(kind)?.includes(key)) continue;
    context.addIssue({ code: "custom", path: [key], message: `nothing here: a set with ${kind} takes no ${key}` });
  }
  if (kind === "watch" && value.after === undefined) {
    context.addIssue({ code: "custom", path: ["after"], message: "delete or keep" });
  }
}

/** The set's own name stands in for `name`. */
function setOf(name: string, given: z.infer<typeof set>): SetConfig {
  const schedule = given.schedule ?? null;
  if (given.command !== undefined) {
    return { kind: "command", schedule, command: given.command, name: given.name ?? name };
  }
  if (given.paths !== undefined) {
    return { kind: "paths", schedule, paths: given.paths, exclude: given.exclude ?? [], name: given.name ?? name };
  }
  if (given.watch !== undefined && given.after !== undefined) {
    return { kind: "watch", folder: given.watch, after: given.after };
  }
  throw new TypeError("checkSet lets no other set pass");
}

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

const notify = z
  .strictObject({
    success: webAddress.optional(),
    failure: webAddress.optional(),
    allowPlaintext: z.boolean().optional(),
  })
  .superRefine((value: unknown, context) => checkPlaintext(value, ["success", "failure"], context), always);

export const uploaderSchema = z
  .strictObject({
    host: hostName,
    dropZone: storeSchema({}),
    signingKey: absolutePath,
    encrypt,
    compress,
    bandwidth: sizeSchema({ min: "1kB" }).optional(),
    spool: absolutePath,
    sets: mapOf(setName, set).default(new Map()),
    notify: notify.optional(),
  })
  .transform((given): UploaderConfig => ({
    host: given.host,
    dropZone: storeOf(given.dropZone),
    signingKeyFile: given.signingKey,
    encrypt: given.encrypt,
    compress: given.compress,
    bandwidthBytesPerSecond: given.bandwidth ?? null,
    spool: given.spool,
    sets: new Map([...given.sets].map(([name, entry]) => [name, setOf(name, entry)])),
    notify: { success: given.notify?.success ?? null, failure: given.notify?.failure ?? null },
  }));

/**
 * @throws {AirlockError} `config-invalid`, naming every fault; and rather than silently not doing what the file asks for,
 * naming the keys that are not served yet
 */
export async function readUploaderConfig(file: string): Promise<UploaderConfig> {
  const config = await readConfig(file, uploaderSchema);
  refuseUnserved(unservedUploaderKeys(config), file);
  return config;
}

/** Keys that are understood and that this program does not act on yet. */
export function unservedUploaderKeys(config: UploaderConfig): string[] {
  const keys: string[] = [];
  for (const [name, entry] of config.sets) {
    if (entry.kind === "watch") keys.push(`sets.${name}.watch`);
    else if (entry.schedule !== null) keys.push(`sets.${name}.schedule`);
  }
  if (config.notify.success !== null) keys.push("notify.success");
  if (config.notify.failure !== null) keys.push("notify.failure");
  return keys;
}
