import { z } from "zod";
import { durationSchema } from "../shared/config/units.ts";
import { absolutePath, always, checkPlaintext, cronExpression, isRecord, webAddress } from "../shared/config/values.ts";
import { isObjectName } from "../shared/names.ts";
import { explainSchedule, isTimeZone } from "./schedule.ts";

export interface Schedule {
  /** Five cron fields, or a nickname. */
  readonly expression: string;
  /** An IANA name. */
  readonly timeZone: string;
}

/** Addresses that are told how a run went; null: nobody is. Each is a secret. */
export interface NotifyConfig {
  readonly success: string | null;
  readonly failure: string | null;
  /** Told of both. */
  readonly webhook: string | null;
}

export type SetConfig = CommandSet | PathsSet | WatchSet;

/** A program and its arguments; no shell. */
export type Argv = readonly [string, ...string[]];

export interface CommandSet {
  readonly kind: "command";
  /** null: by hand only. */
  readonly schedule: Schedule | null;
  /** Run in order; what the last one writes is stored. */
  readonly commands: readonly [Argv, ...Argv[]];
  /** Of what is stored, without encoding suffixes. */
  readonly name: string;
  readonly timeLimitMs: number;
  readonly notify: NotifyConfig;
}

export interface PathsSet {
  readonly kind: "paths";
  readonly schedule: Schedule | null;
  readonly paths: readonly [string, ...string[]];
  /** Patterns for GNU tar. */
  readonly exclude: readonly string[];
  /** Of the archive, without suffixes (`.tar` included). */
  readonly name: string;
  readonly timeLimitMs: number;
  readonly notify: NotifyConfig;
}

export interface WatchSet {
  readonly kind: "watch";
  /** Files that appear in this folder are stored one by one. */
  readonly folder: string;
  readonly after: "delete" | "keep";
  /** How long a file has to stay as it is before it is taken. */
  readonly settleMs: number;
  readonly notify: NotifyConfig;
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
const COMMANDS = "a list of commands, each a list: [[lvcreate, …], [tar, …]]";
const PATHS = "a list of absolute paths, at least one";
const AFTER = ["delete", "keep"] as const;
const command = z.tuple([argument.min(1, { error: COMMAND })], argument, { error: COMMAND });

/** The shape alone says little: node-cron, which computes the times, has the last word. */
const schedule = cronExpression.pipe(
  z.string().superRefine((expression, context) => {
    const fault = explainSchedule(expression);
    if (fault !== null) context.addIssue({ code: "custom", message: `a schedule that comes due: ${fault}` });
  }),
);

const TIME_ZONE = "a time zone's name, such as Europe/Berlin or UTC";
export const timeZoneName = z.string({ error: TIME_ZONE }).refine(isTimeZone, { error: TIME_ZONE });

const NOTIFY_KEYS = ["success", "failure", "webhook"] as const;
export const notifySchema = z
  .strictObject({
    success: webAddress.optional(),
    failure: webAddress.optional(),
    webhook: webAddress.optional(),
    allowPlaintext: z.boolean().optional(),
  })
  .superRefine((value: unknown, context) => checkPlaintext(value, NOTIFY_KEYS, context), always);

const ONE_KIND = "exactly one of command, commands, paths and watch";
/** Which keys a set of each kind may have beside its own and `notify`. */
const RUN_KEYS = ["schedule", "timeZone", "timeLimit", "name"];
const SET_KEYS = new Map([
  ["command", RUN_KEYS],
  ["commands", RUN_KEYS],
  ["paths", [...RUN_KEYS, "exclude"]],
  ["watch", ["after", "settle"]],
]);
const ALL_KEYS = [...RUN_KEYS, "exclude", "after", "settle"];

export const setSchema = z
  .strictObject(
    {
      schedule: schedule.optional(),
      timeZone: timeZoneName.optional(),
      timeLimit: durationSchema({ min: "1s", max: "4w" }).optional(),
      notify: notifySchema.optional(),
      command: command.optional(),
      commands: z.tuple([command], command, { error: COMMANDS }).optional(),
      paths: z.tuple([absolutePath], absolutePath, { error: PATHS }).optional(),
      watch: absolutePath.optional(),
      name: fileName.optional(),
      exclude: z.array(argument, { error: "a list of patterns" }).optional(),
      after: z.enum(AFTER).optional(),
      settle: durationSchema({ min: "100ms", max: "1d" }).optional(),
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
  for (const key of ALL_KEYS) {
    if (value[key] === undefined || SET_KEYS.get(kind)?.includes(key)) continue;
    context.addIssue({ code: "custom", path: [key], message: `nothing here: a set with ${kind} takes no ${key}` });
  }
  if (kind === "watch" && value.after === undefined) {
    context.addIssue({ code: "custom", path: ["after"], message: "delete or keep" });
  }
}

const DEFAULT_TIME_LIMIT_MS = 24 * 3_600_000;
const DEFAULT_SETTLE_MS = 10_000;

/** What sets take from the rest of the file where they have no own. */
export interface SetDefaults {
  readonly timeZone: string;
  readonly notify: NotifyConfig;
}

/** The set's own name stands in for `name`. */
export function setOf(name: string, given: z.infer<typeof setSchema>, defaults: SetDefaults): SetConfig {
  const notify = notifyOf(given.notify, defaults.notify);
  if (given.watch !== undefined && given.after !== undefined) {
    const { after, watch: folder, settle: settleMs = DEFAULT_SETTLE_MS } = given;
    return { kind: "watch", folder, after, settleMs, notify };
  }
  const common = {
    schedule:
      given.schedule === undefined
        ? null
        : { expression: given.schedule, timeZone: given.timeZone ?? defaults.timeZone },
    name: given.name ?? name,
    timeLimitMs: given.timeLimit ?? DEFAULT_TIME_LIMIT_MS,
    notify,
  };
  if (given.paths !== undefined) {
    return { kind: "paths", paths: given.paths, exclude: given.exclude ?? [], ...common };
  }
  const commands = given.commands ?? (given.command === undefined ? undefined : ([given.command] as const));
  if (commands !== undefined) return { kind: "command", commands, ...common };
  throw new TypeError("checkSet lets no other set pass");
}

const NOBODY: NotifyConfig = { success: null, failure: null, webhook: null };

/** Each address that is given stands instead of the general one. */
export function notifyOf(
  given: z.infer<typeof notifySchema> | undefined,
  general: NotifyConfig = NOBODY,
): NotifyConfig {
  return {
    success: given?.success ?? general.success,
    failure: given?.failure ?? general.failure,
    webhook: given?.webhook ?? general.webhook,
  };
}
