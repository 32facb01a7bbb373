/**
 * Runs the fault tests of the mover and prints what they say as one table: every remote write of a move, and whether all
 * came right when it failed in each way, having taken effect or not. Ends with 1 where a cell failed or has no test.
 */
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const FILES = ["mover/writes.long.ts", "mover/abort.long.ts", "mover/crash.test.ts"].map((file) =>
  fileURLToPath(new URL(file, import.meta.url)),
);
const FAILURES = ["error", "timeout", "reset", "kill -9"] as const;
type Failure = (typeof FAILURES)[number];
type Effect = "not taken" | "taken";
type Mark = "ok" | "FAILED";

/** As the tests are named. */
const WRITE =
  /^(?<write>\w+ \d+ in \S+), (?<effect>not taken|having taken effect), (?<how>answered by 500|hanging|reset)$/;
const CRASH = /^(?<effect>before|after) (?<write>\w+ \d+ in \S+)$/;
const HOW = new Map<string, Failure>([
  ["answered by 500", "error"],
  ["hanging", "timeout"],
  ["reset", "reset"],
]);
/** `every remote write of a small object's move, …, versioned drop-zone` and `kill -9 of the mover, small object, …` */
const SUITE = /\b(?<kind>small|large) object\b.*\b(?<versions>versioned|unversioned) drop-zone$/;

interface Cell {
  readonly row: string;
  readonly column: string;
  readonly mark: Mark;
}

/** null: the test is not about one write. */
function cellOf(suite: string, name: string, mark: Mark): Cell | null {
  const scene = SUITE.exec(suite)?.groups;
  const write = WRITE.exec(name)?.groups ?? CRASH.exec(name)?.groups;
  if (scene === undefined || write === undefined) return null;
  const failure = write.how === undefined ? "kill -9" : HOW.get(write.how);
  if (failure === undefined) return null;
  const effect = write.effect === "not taken" || write.effect === "before" ? "not taken" : "taken";
  return { row: `${scene.kind}, ${scene.versions}: ${write.write}`, column: columnOf(effect, failure), mark };
}

function columnOf(effect: Effect, failure: Failure): string {
  return `${effect}, ${failure}`;
}

const COLUMNS = FAILURES.flatMap((failure) =>
  (["not taken", "taken"] as const).map((effect) => columnOf(effect, failure)),
);

/** The rows that are whole in themselves: of the unversioned drop-zone only what differs there is tested. */
function isComplete(row: string): boolean {
  return /, versioned:/.test(row);
}

/** What the writes of one operation are for, in their order. */
function purposesOf(kind: string, operation: string): readonly string[] {
  if (operation === "PutObject")
    return kind === "small" ? ["the object", "the ledger's segment"] : ["the ledger's segment"];
  if (operation === "UploadPart") return ["the first part", "the second part"];
  if (operation.startsWith("Delete")) return ["the object", "its statement"];
  return ["the object"];
}

const eventSchema = z.looseObject({
  type: z.string(),
  data: z.looseObject({
    name: z.string().default(""),
    nesting: z.number().default(0),
    file: z.string().default(""),
    details: z.looseObject({ error: z.unknown().optional() }).optional(),
  }),
});

const rows = new Map<string, Map<string, Mark>>();
const failed: string[] = [];
/** By file: the suites and tests that are under way, outermost first. */
const paths = new Map<string, string[]>();

for await (const event of run({ files: FILES, concurrency: 1 })) {
  const parsed = eventSchema.safeParse(event);
  if (!parsed.success) continue;
  const { type, data } = parsed.data;
  const path = paths.get(data.file) ?? [];
  paths.set(data.file, path);
  if (type === "test:start") path.splice(data.nesting, Infinity, data.name);
  if (type !== "test:pass" && type !== "test:fail") continue;
  const mark = type === "test:pass" ? "ok" : "FAILED";
  if (mark === "FAILED")
    failed.push(`${path.slice(0, data.nesting).join(" > ")} > ${data.name}: ${causeOf(data.details?.error)}`);
  const cell = cellOf(path[0] ?? "", data.name, mark);
  if (cell === null) continue;
  const row = rows.get(cell.row) ?? new Map<string, Mark>();
  rows.set(cell.row, row.set(cell.column, cell.mark));
}

function causeOf(error: unknown): string {
  return String(error instanceof Error && error.cause !== undefined ? error.cause : error);
}

/** `small, versioned: PutObject 5 in acme-vault` as `small, versioned: PutObject of the object`. */
function titleOf(row: string): string {
  const [scene = "", write = ""] = row.split(": ");
  const [operation = ""] = write.split(" ");
  const same = [...rows.keys()].filter((other) => other.startsWith(`${scene}: ${operation} `)).toSorted();
  const purpose = purposesOf(scene.split(",")[0] ?? "", operation)[same.indexOf(row)] ?? write;
  return `${scene}: ${operation} of ${purpose}`;
}

const width = Math.max(...Array.from(rows.keys(), (row) => titleOf(row).length));
process.stdout.write(`${"".padEnd(width)}  ${FAILURES.map((failure) => failure.padEnd(18)).join("")}\n`);
process.stdout.write(`${"".padEnd(width)}  ${FAILURES.map(() => "not taken  taken  ").join("")}\n`);
let missing = 0;
for (const [row, cells] of rows) {
  const marks = COLUMNS.map((column) => cells.get(column) ?? "-");
  if (isComplete(row)) missing += marks.filter((mark) => mark === "-").length;
  const line = marks.map((mark, index) => mark.padEnd(index % 2 === 0 ? 11 : 7)).join("");
  process.stdout.write(`${titleOf(row).padEnd(width)}  ${line}\n`);
}
process.stdout.write("-: the drop-zone's versions make no difference to this write\n");
for (const line of failed) process.stdout.write(`failed: ${line}\n`);
if (missing > 0) process.stdout.write(`${missing} cells have no test\n`);
process.exitCode = failed.length > 0 || missing > 0 || rows.size === 0 ? 1 : 0;
