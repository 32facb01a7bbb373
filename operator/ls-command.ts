import { once } from "node:events";
import type { Io } from "../shared/cli.ts";
import { formatGroups, createGroups, createListFilter, listedObject } from "./list.ts";
import { readLedgers } from "./ledger-reader.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { openVault } from "./open-vault.ts";
import { parseSelector, parseTime } from "./selector.ts";
import { storedObjectOf } from "./stored-object.ts";

export interface LsOptions {
  readonly at?: string;
}

/** `airlock ls [HOST[/SET]] [--at TIME]` */
export async function runLs(io: Io, what: string | undefined, options: LsOptions): Promise<void> {
  const selector = what === undefined ? null : parseSelector(what);
  const isListed = createListFilter({ selector, at: options.at === undefined ? null : parseTime(options.at) });
  const keep = selector === null || selector.path === null ? undefined : Infinity;
  const groups = createGroups(keep);
  await using vault = await openVault(io);
  const { movers, hosts } = vault.config;
  const warnings = warnOfLedger(io);
  for await (const item of readLedgers(vault.reader, movers, io.abort)) {
    if (item.kind === "problem") {
      warnings.add(item);
      continue;
    }
    if (item.signer === null) continue; // nothing in it is proven
    const { header, entries } = item.segment;
    for (const entry of entries) {
      const object = storedObjectOf(entry, header.mover, header.segment);
      if (object === null || !isListed(object)) continue;
      if (io.json) io.print(listedObject(object, hosts), "");
      else groups.add(object);
    }
    // A million lines are not for the memory to hold until the reader has taken them.
    if (io.stdout.writableNeedDrain) await once(io.stdout, "drain", { signal: io.abort });
  }
  if (!io.json) {
    const nothing = what === undefined ? "the vault holds nothing yet" : "the vault holds nothing of it";
    io.print(null, groups.all.size === 0 ? nothing : formatGroups(groups, hosts, io.stdout.columns ?? 80, keep));
  }
  warnings.end();
  if (warnings.isDamaged) io.exitWith(5);
}
