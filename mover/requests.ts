/**
 * What an operator asks of the daemon on its own box: files in the folder `requests` of the state folder, each answered
 * by another file. Only who may write there can ask. Nothing in it has to last: a request that is older than the
 * command that made it waits is not carried out.
 */
import { open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { createFile, errorCode, makeFolder } from "../shared/files.ts";
import { newToken } from "../shared/names.ts";

const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
export const MAX_KEYS = 1000;
/** A command waits this long for its request to be taken. */
export const TAKEN_WITHIN_MS = 30_000;
const ANSWER_KEPT_MS = 3_600_000;
const REQUEST = ".request.json";
const ANSWER = ".answer.json";
const FILE_NAME = /^[a-z2-7]{26}\.(?:request|answer)\.json$/;

const requestSchema = z.strictObject({
  v: z.literal(1),
  action: z.enum(["release", "discard"]),
  keys: z.array(z.string().min(1).max(8192)).min(1).max(MAX_KEYS),
});
const resultSchema = z.strictObject({
  /** As it was asked for. */
  asked: z.string(),
  outcome: z.enum(["admitted", "discarded", "refused"]),
  /** `KEY@VERSION`; null where none was found. */
  object: z.string().nullable(),
  /** Why it was held; null where it was not. */
  reason: z.string().nullable(),
  /** Why it was refused. */
  message: z.string().nullable(),
});
const answerSchema = z.strictObject({ v: z.literal(1), results: z.array(resultSchema) });

export type OperatorRequest = z.infer<typeof requestSchema>;
export type Action = OperatorRequest["action"];
export type Result = Readonly<z.infer<typeof resultSchema>>;

export interface TakenRequest {
  readonly id: string;
  readonly request: OperatorRequest;
}

/** The daemon's side. */
export interface RequestBox {
  /** Each is given once, whatever becomes of it. */
  take(): Promise<readonly TakenRequest[]>;
  answer(id: string, results: readonly Result[]): Promise<void>;
}

function requestFolder(stateFolder: string): string {
  return join(stateFolder, "requests");
}

export function openRequestBox(stateFolder: string, now: () => number): RequestBox {
  const folder = requestFolder(stateFolder);
  return {
    async take() {
      const taken: TakenRequest[] = [];
      for (const name of await list(folder)) {
        const file = join(folder, name);
        const ageMs = now() - (await modifiedMs(file));
        if (name.endsWith(ANSWER)) {
          if (ageMs > ANSWER_KEPT_MS) await rm(file, { force: true }); // nobody waits for it any more
          continue;
        }
        const text = await readBounded(file);
        await rm(file, { force: true }); // before it is carried out: nothing is done twice
        const request = parseRequest(text);
        if (request !== null && ageMs <= TAKEN_WITHIN_MS) taken.push({ id: name.slice(0, -REQUEST.length), request });
      }
      return taken;
    },
    async answer(id, results) {
      await createFile(join(folder, `${id}${ANSWER}`), JSON.stringify({ v: 1, results }), { mode: 0o600 });
    },
  };
}

/** The command's side. Returns the request's id. */
export async function submitRequest(stateFolder: string, request: OperatorRequest): Promise<string> {
  const folder = requestFolder(stateFolder);
  makeFolder(folder);
  const id = newToken();
  await createFile(join(folder, `${id}${REQUEST}`), JSON.stringify(request), { mode: 0o600 });
  return id;
}

/** Whether the request was still there, and is not any more. */
export async function withdrawRequest(stateFolder: string, id: string): Promise<boolean> {
  try {
    await rm(join(requestFolder(stateFolder), `${id}${REQUEST}`));
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** null: there is none yet. */
export async function readAnswer(stateFolder: string, id: string): Promise<readonly Result[] | null> {
  const file = join(requestFolder(stateFolder), `${id}${ANSWER}`);
  const text = await readBounded(file);
  if (text === null) return null;
  await rm(file, { force: true });
  return answerSchema.parse(JSON.parse(text)).results;
}

async function list(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => FILE_NAME.test(name)).toSorted();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return []; // nobody ever asked
    throw error;
  }
}

async function modifiedMs(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0; // withdrawn since it was listed
    throw error;
  }
}

/** null where there is no such file, or one that is larger than any of ours. */
async function readBounded(file: string): Promise<string | null> {
  try {
    await using handle = await open(file);
    return (await handle.stat()).size > MAX_REQUEST_BYTES ? null : await handle.readFile("utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

function parseRequest(text: string | null): OperatorRequest | null {
  if (text === null) return null;
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null; // not of our making: nobody waits
    throw error;
  }
}
