import { resolve } from "node:path";
import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";
import { replaceFile } from "../shared/files.ts";
import { drillFolder, readDrillResults } from "./drill-result.ts";
import { openIndex } from "./open-index.ts";
import { openVault } from "./open-vault.ts";
import { findAttention } from "./report/attention.ts";
import { gatherReport } from "./report/gather.ts";
import { renderPage } from "./report/page.ts";

/** It is there to be shown, by a web server for example; who may see it is for the folder to say. */
const MODE = 0o644;
const MAX_DAYS = 3660;

export interface ReportOptions {
  readonly out: string;
  readonly days: string;
  readonly drills?: string;
}

/** `airlock report --out FILE.html [--days N] [--drills DIR]` */
export async function runReport(io: Io, options: ReportOptions): Promise<void> {
  const days = daysOf(options.days);
  const [drill = null] = await readDrillResults(options.drills ?? drillFolder(io.env), 1);
  await using vault = await openVault(io);
  using index = await openIndex(io, vault);
  const { vault: store, hosts } = vault.config;
  const data = gatherReport(index, { vault: store.bucket, hosts: hosts.keys(), nowMs: Date.now(), days, drill });
  const page = renderPage(data);
  const file = resolve(options.out);
  await replaceFile(file, page, { mode: MODE });
  const sizeBytes = Buffer.byteLength(page);
  const attention = findAttention(data);
  io.print({ file, size: sizeBytes, attention }, () =>
    [`${file}, ${formatBytes(sizeBytes)}`, ...attention.map(({ text }) => `to look at: ${text}`)].join("\n"),
  );
}

function daysOf(text: string): number {
  const days = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : Infinity;
  if (days <= MAX_DAYS) return days;
  throw new AirlockError("usage", `--days ${text} is no number of days`, {
    remedy: `a whole number from 1 to ${MAX_DAYS}`,
  });
}
