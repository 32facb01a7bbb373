import type { Io } from "../shared/cli.ts";
import { openAuditProbe } from "../shared/s3/audit-probe.ts";
import { openQueueProbe } from "../shared/s3/event-queue.ts";
import { intendedOf, targetOf, type AuditOptions } from "./audit-options.ts";
import { formatAudit } from "./audit-report.ts";
import { auditKey } from "./audit.ts";
import { readOperatorConfig } from "./config.ts";

/** `airlock audit`: exit 7 when the key can do more than its role should, 4 when it can do less. */
export async function runAudit(io: Io, options: AuditOptions): Promise<void> {
  const intended = intendedOf(options);
  const store = await targetOf(options, async () => (await readOperatorConfig(io.configFile)).vault);
  await using probe = await openAuditProbe(store);
  await using queue = intended.queueUrl === null ? null : openQueueProbe(store, intended.queueUrl);
  const audit = await auditKey(probe, queue, intended, io.abort);
  const { role, host } = intended;
  const counts = Object.fromEntries(
    Object.entries(Object.groupBy(audit.rows, ({ outcome }) => outcome)).map(([outcome, rows]) => [
      outcome,
      rows.length,
    ]),
  );
  io.print({ bucket: store.bucket, role, host, counts, ...audit }, () =>
    [
      `what whoever has this key can do with s3://${store.bucket}, held against `,
      host === null ? `the ${role}'s role\n\n` : `the ${role}'s role (${host})\n\n`,
      formatAudit(audit, store.bucket, io.stdout.columns),
    ].join(""),
  );
  if (audit.rows.some(({ verdict }) => verdict === "excess")) io.exitWith(7);
  else if (audit.rows.some(({ verdict }) => verdict === "lacking")) io.exitWith(4);
}
