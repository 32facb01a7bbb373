/**
 * Runs the fault tests of the mover and prints what they say as one table: every remote write of a move, and whether all
 * came right when it failed in each way, having taken effect or not. Ends with 1 where a cell failed or has no test.
 */
import { run } from "node:test";
import { fileURLToPath } from "node:url";

const FILES = ["mover/writes.test.ts", "mover/crash.test.ts"].map((file) =>
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

const rows = new Map<string, Map<string, Mark>>();
const failed: string[] = [];
const suites = new Map<string, string[]>();
const note = (file: string, nesting: number, name: string, isStart: boolean): string => {
  const path = suites.get(file) ?? [];
  suites.set(file, path);
  if (isStart) path.splice(nesting, Infinity, name);
  return path.slice(0, nesting).join(" > ");
};

for await (const event of run({ files: FILES, concurrency: 1 })) {
  if (event.type === "test:start") note(event.data.file ?? "", event.data.nesting, event.data.name, true);
  if (event.type !== "test:pass" && event.type !== "test:fail") continue;
  const { name, nesting, file = "" } = event.data;
  const path = note(file, nesting, name, false);
  const cell = cellOf(path.split(" > ")[0] ?? "", name, event.type === "test:pass" ? "ok" : "FAILED");
  if (event.type === "test:fail") failed.push(`${path} > ${name}: ${String(event.data.details.error.cause)}`);
  if (cell === null) continue;
  const row = rows.get(cell.row) ?? new Map<string, Mark>();
  rows.set(cell.row, row.set(cell.column, cell.mark));
}

const width = Math.max(...[...rows.keys()].map((row) => row.length));
process.stdout.write(`${"".padEnd(width)}  ${FAILURES.map((failure) => failure.padEnd(18)).join("")}\n`);
process.stdout.write(`${"".padEnd(width)}  ${FAILURES.map(() => "not taken  taken  ").join("")}\n`);
let missing = 0;
for (const [row, cells] of rows) {
  const marks = COLUMNS.map((column) => cells.get(column) ?? "-");
  if (isComplete(row)) missing += marks.filter((mark) => mark === "-").length;
  const line = marks.map((mark, index) => mark.padEnd(index % 2 === 0 ? 11 : 7)).join("");
  process.stdout.write(`${row.padEnd(width)}  ${line}\n`);
}
for (const line of failed) process.stdout.write(`failed: ${line}\n`);
if (missing > 0) process.stdout.write(`${missing} cells have no test\n`);
process.exitCode = failed.length > 0 || missing > 0 || rows.size === 0 ? 1 : 0;
