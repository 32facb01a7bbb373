import { once } from "node:events";
import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import type { ListedSet, ObjectFilter } from "./index-reader.ts";
import { formatObjects, formatOlder, formatSetHeading, listedValue } from "./list.ts";
import type { ListedObject } from "./listed-object.ts";
import { openIndex } from "./open-index.ts";
import { openVault } from "./open-vault.ts";
import { parseSelector, parseTime } from "./selector.ts";

/** Of each set, without one asked for; and of one that is. `--json` shows all. */
const NEWEST_SHOWN = 10;
const NEWEST_OF_SET_SHOWN = 1000;
/** A table's columns are as wide as what is in them, so it is made of this many rows at a time. */
const ROWS_PER_TABLE = 1000;

export interface LsOptions {
  readonly at?: string;
  readonly since?: string;
  readonly limit?: string;
  readonly all?: true;
  readonly rebuildIndex?: true;
}

/** `airlock ls [HOST[/SET]] [--at TIME] [--since TIME] [--limit N | --all]` */
export async function runLs(io: Io, what: string | undefined, options: LsOptions): Promise<void> {
  const filter: ObjectFilter = {
    selector: what === undefined ? null : parseSelector(what),
    since: options.since === undefined ? null : parseTime(options.since, "start"),
    until: options.at === undefined ? null : parseTime(options.at),
  };
  const limit = limitOf(io, options, filter);
  await using vault = await openVault(io);
  using index = await openIndex(io, vault, { rebuild: options.rebuildIndex });
  const sets = index.sets(filter);
  for (const [number, set] of sets.entries()) {
    if (io.json) await printValues(io, index.objects(set, filter, limit));
    else {
      if (number > 0) io.print(null, "\n");
      const isNamed = filter.selector?.path !== undefined && filter.selector.path !== null;
      await printSet(io, set, index.objects(set, filter, limit), limit, isNamed);
    }
  }
  if (!io.json && sets.length === 0) {
    const isAll = filter.selector === null && filter.since === null && filter.until === null;
    io.print(null, isAll ? "the vault holds nothing yet" : "the vault holds nothing of it");
  }
}

function limitOf({ json }: Io, { limit, all }: LsOptions, { selector }: ObjectFilter): number {
  if (limit !== undefined && all === true) {
    throw new AirlockError("usage", "--limit and --all contradict each other", { remedy: "give one of them" });
  }
  if (limit !== undefined) {
    if (/^[1-9]\d{0,8}$/.test(limit)) return Number(limit);
    throw new AirlockError("usage", `--limit ${limit} is no number of objects`, { remedy: "a whole number from 1 on" });
  }
  if (all === true || json) return Infinity;
  return selector === null || selector.path === null ? NEWEST_SHOWN : NEWEST_OF_SET_SHOWN;
}

async function printValues(io: Io, objects: Iterable<ListedObject>): Promise<void> {
  for (const object of objects) {
    io.print(listedValue(object), "");
    await drained(io);
  }
}

async function printSet(
  io: Io,
  set: ListedSet,
  objects: Iterable<ListedObject>,
  limit: number,
  isNamed: boolean,
): Promise<void> {
  let text = formatSetHeading(set);
  let rows: ListedObject[] = [];
  const width = io.stdout.columns ?? 80;
  for (const object of objects) {
    rows.push(object);
    if (rows.length < ROWS_PER_TABLE) continue;
    io.print(null, text + formatObjects(rows, width));
    await drained(io);
    [text, rows] = ["", []];
  }
  if (rows.length > 0) text += formatObjects(rows, width);
  if (set.objects > limit) text += formatOlder(set, set.objects - limit, isNamed);
  if (text !== "") io.print(null, text);
  await drained(io);
}

/** A million lines are not for the memory to hold until the reader has taken them. */
async function drained({ stdout, abort }: Io): Promise<void> {
  if (stdout.writableNeedDrain) await once(stdout, "drain", { signal: abort });
}
