import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { formatTable } from "../shared/table.ts";
import { readUploaderConfig } from "./config.ts";
import { openState, type ChainHead, type LastSuccess } from "./state.ts";

/** `status`: where the sequence is, and the last success per set. Asks the state only; no key can ask the store. */
export async function runStatus(io: Io, owner: string): Promise<void> {
  const { host, spool: spoolFolder, dropZone } = await readUploaderConfig(io.configFile);
  using state = openState({ spoolFolder, bucket: dropZone.bucket, host, owner });
  const head = state.readHead();
  const unconfirmed = state.countUnpublished();
  const successes = state.listSuccesses();
  const value = {
    host,
    bucket: dropZone.bucket,
    sequence: head === null ? null : { epoch: head.epoch, seq: head.seq },
    unconfirmed,
    sets: successes.map(({ set, at, key, sizeBytes, sha256, seq }) => ({
      set,
      at,
      key,
      bytes: sizeBytes,
      sha256,
      seq,
    })),
  };
  io.print(value, () => formatStatus(host, dropZone.bucket, head, unconfirmed, successes, io.stdout.columns));
}

function formatStatus(
  host: string,
  bucket: string,
  head: ChainHead | null,
  unconfirmed: number,
  successes: readonly LastSuccess[],
  width: number | undefined,
): string {
  const sequence = head === null ? "not begun" : `${head.seq} in epoch ${head.epoch}`;
  const lines = [`${host} → ${bucket}`, `sequence: ${sequence}`];
  // Numbers of uploads under way, or of ones that broke off: the next `put` accounts for those.
  if (unconfirmed > 0) lines.push(`not confirmed: ${unconfirmed}`);
  if (successes.length === 0) return [...lines, "nothing has been stored yet", ""].join("\n");
  const columns = [
    { header: "SET" },
    { header: "LAST SUCCESS" },
    { header: "SIZE", align: "right" as const },
    { header: "SEQ", align: "right" as const },
    { header: "KEY", shrinkTo: 20 },
  ];
  const rows = successes.map(({ set, at, sizeBytes, seq, key }) => [set, at, formatBytes(sizeBytes), String(seq), key]);
  return `${lines.join("\n")}\n\n${formatTable(columns, rows, width)}`;
}
