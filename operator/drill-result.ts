import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { AirlockError } from "../shared/errors.ts";
import { createFile, errorCode } from "../shared/files.ts";

/**
 * What a drill found out, one file a drill (docs/formats.md). `airlock drill` writes it and `airlock report` reads it; in
 * between it lies on a disk where others may write, so it is parsed like everything from outside.
 */
const MAX_RESULT_BYTES = 1024 * 1024;
/** A drill is a sample: more objects than this are not one. */
export const MAX_DRILL_OBJECTS = 1000;
const MAX_TEXT = 2000;

const time = z.iso.datetime({ precision: 3 });
const bytes = z.int().min(0);
const text = z.string().max(MAX_TEXT);

const objectSchema = z.strictObject({
  host: z.string().max(63),
  set: z.string().max(63),
  key: z.string().max(1024),
  /** By the ledger. */
  at: time,
  storedBytes: bytes,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the decoded bytes, and how many files they are; 0 where it did not come to that. */
  restoredBytes: bytes,
  files: bytes,
  durationMs: bytes,
  outcome: z.enum(["passed", "failed"]),
  /** Why it failed; null where it passed. */
  error: z.strictObject({ code: z.string().max(63), message: text }).nullable(),
  /** How the command of `--run` ended; null where there was none, or it did not come to that. */
  command: z.strictObject({ exit: z.int().nullable(), durationMs: bytes }).nullable(),
});

const resultSchema = z.strictObject({
  v: z.literal(1),
  startedAt: time,
  endedAt: time,
  /** The vault's bucket. */
  vault: z.string().max(255),
  outcome: z.enum(["passed", "failed"]),
  /** A drill that could not choose its objects failed as a whole; null otherwise. */
  error: z.strictObject({ code: z.string().max(63), message: text }).nullable(),
  /** `web1/postgres` for a named set, null for a random sample. */
  named: z.string().max(1100).nullable(),
  /** How many sets there were to choose from. */
  setsInVault: bytes,
  /** The argument list of `--run`; null without it. */
  run: z.array(text).max(1000).nullable(),
  objects: z.array(objectSchema).max(MAX_DRILL_OBJECTS),
});

export type DrillResult = z.infer<typeof resultSchema>;

/** Where results are unless told otherwise: `~/.local/state/airlock/drills`. */
export function drillFolder(env: Readonly<Record<string, string | undefined>>): string {
  const state = env.XDG_STATE_HOME;
  const base = state?.startsWith("/") === true ? state : join(env.HOME ?? homedir(), ".local", "state");
  return join(base, "airlock", "drills");
}

const RESULT_NAME = /^drill-\d{8}T\d{9}Z\.json$/;

/** @returns the file: `drill-20261121T021504123Z.json`, named for the drill's beginning. */
export async function writeDrillResult(folder: string, result: DrillResult): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `drill-${result.startedAt.replaceAll(/[-:.]/g, "")}.json`);
  await createFile(file, `${JSON.stringify(result)}\n`, { mode: 0o644 });
  return file;
}

/**
 * The newest results, newest first; none where there is no such folder.
 * @throws {AirlockError} `config-invalid` for a file that has a result's name and is none
 */
export async function readDrillResults(folder: string, limit: number): Promise<readonly DrillResult[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
  const newest = names
    .filter((name) => RESULT_NAME.test(name))
    .toSorted()
    .toReversed()
    .slice(0, limit);
  return Promise.all(newest.map((name) => readDrillResult(join(folder, name))));
}

async function readDrillResult(file: string): Promise<DrillResult> {
  const fail = (message: string, cause?: unknown): AirlockError =>
    new AirlockError("config-invalid", `this is not a drill's result: ${message}`, {
      subject: file,
      remedy: "move the file away, and run `airlock drill` again",
      cause,
    });
  const { size } = await stat(file);
  if (size > MAX_RESULT_BYTES) throw fail(`it is larger than ${MAX_RESULT_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw fail("it is not JSON", cause);
  }
  const parsed = resultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw fail(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`, parsed.error);
}
