import type { Io } from "../shared/cli.ts";
import { formatBytes, formatDuration } from "../shared/config/units.ts";
import { printable } from "../shared/printable.ts";
import { formatTable } from "../shared/table.ts";
import { AGENT } from "./agent-name.ts";
import { CHECK_SET, readUploaderConfig, type UploaderConfig } from "./config.ts";
import { openSetState, type Failure, type Plan, type SetState } from "./set-state.ts";
import { openSpool, type SpoolUsage } from "./spool.ts";
import { openState, type ChainHead, type LastSuccess } from "./state.ts";

interface SetStatus {
  readonly set: string;
  readonly success: LastSuccess | null;
  readonly failure: Failure | null;
  readonly plan: Plan | null;
  readonly running: { readonly since: Date; readonly pid: number } | null;
}

interface Status {
  readonly host: string;
  readonly bucket: string;
  readonly agent: { readonly since: Date; readonly pid: number } | null;
  readonly head: ChainHead | null;
  readonly unconfirmed: number;
  readonly spool: SpoolUsage;
  readonly sets: readonly SetStatus[];
}

/** `status`: how each set is doing, the spool, the sequence. Asks the state only; no key can ask the store. */
export async function runStatus(io: Io, owner: string): Promise<void> {
  const config = await readUploaderConfig(io.configFile);
  const { host, spool: spoolFolder } = config;
  const { bucket } = config.dropZone;
  using state = openState({ spoolFolder, bucket, host, owner });
  const sets = openSetState({ database: state.database, bucket, host, owner });
  const spool = openSpool({
    folder: spoolFolder,
    limitBytes: config.spoolLimitBytes,
    state,
    bucket,
    host,
    owner,
    log: io.log,
  });
  const status: Status = {
    host,
    bucket,
    agent: sets.readRunning(AGENT),
    head: state.readHead(),
    unconfirmed: state.countUnpublished(),
    spool: spool.usage(),
    sets: listSets(config, state.listSuccesses(), sets),
  };
  io.print(toJson(status), () => formatStatus(status, io.stdout.columns, Date.now()));
}

/** Those of the configuration in its order, then what else has been stored; `check` last. */
function listSets(config: UploaderConfig, successes: readonly LastSuccess[], sets: SetState): SetStatus[] {
  const bySet = new Map(successes.map((success) => [success.set, success]));
  const names = new Set([...config.sets.keys(), ...[...bySet.keys()].filter((name) => name !== CHECK_SET)]);
  if (bySet.has(CHECK_SET) || sets.readPlan(CHECK_SET) !== null) names.add(CHECK_SET);
  return [...names].map((set) => ({
    set,
    success: bySet.get(set) ?? null,
    failure: sets.readFailure(set),
    plan: sets.readPlan(set),
    running: sets.readRunning(set),
  }));
}

function toJson({ host, bucket, agent, head, unconfirmed, spool, sets }: Status): unknown {
  return {
    host,
    bucket,
    agent: agent === null ? null : { since: agent.since.toISOString(), pid: agent.pid },
    sequence: head === null ? null : { epoch: head.epoch, seq: head.seq },
    unconfirmed,
    spool: {
      objects: spool.objects,
      bytes: spool.bytes,
      oldestAt: spool.oldestAt?.toISOString() ?? null,
      limitBytes: spool.limitBytes,
    },
    sets: sets.map(({ set, success, failure, plan, running }) => ({
      set,
      success:
        success === null
          ? null
          : {
              at: success.at,
              key: success.key,
              bytes: success.sizeBytes,
              sha256: success.sha256,
              seq: success.seq,
            },
      failure: failure === null ? null : { ...failure, at: failure.at.toISOString() },
      nextRun: plan?.due.toISOString() ?? null,
      running: running === null ? null : { since: running.since.toISOString(), pid: running.pid },
    })),
  };
}

function formatStatus(status: Status, width: number | undefined, now: number): string {
  const { host, bucket, agent, head, unconfirmed, spool, sets } = status;
  const lines = [
    `${host} → ${bucket}`,
    `agent     ${agent === null ? "not running" : `process ${agent.pid}, for ${formatDuration(now - agent.since.getTime())}`}`,
    `sequence  ${head === null ? "not begun" : `${head.seq} in epoch ${head.epoch}`}`,
    `spool     ${formatSpool(spool, now)}`,
  ];
  // Numbers of uploads under way, or of ones that broke off: the next upload accounts for those.
  if (unconfirmed > 0) lines.push(`pending   ${unconfirmed} not confirmed`);
  if (sets.length === 0) return [...lines, "", "no sets, and nothing has been stored yet", ""].join("\n");
  const columns = [
    { header: "SET", shrinkTo: 12 },
    { header: "LAST SUCCESS" },
    { header: "SIZE", align: "right" as const },
    { header: "SEQ", align: "right" as const },
    { header: "NEXT RUN" },
    { header: "LAST FAILURE", shrinkTo: 12 },
  ];
  const table = formatTable(
    columns,
    sets.map((one) => rowOf(one, now)),
    width,
  );
  return `${lines.join("\n")}\n\n${table}${formatFailures(sets)}`;
}

function rowOf({ set, success, failure, plan, running }: SetStatus, now: number): string[] {
  const next =
    running !== null
      ? `running ${formatDuration(now - running.since.getTime())}`
      : plan === null
        ? "-"
        : untilDue(plan, now);
  return [
    set,
    success === null ? "-" : formatTime(success.at),
    success === null ? "-" : formatBytes(success.sizeBytes),
    success === null ? "-" : String(success.seq),
    next,
    failure === null ? "-" : formatTime(failure.at.toISOString()),
  ];
}

/** With what it was, below the table: a message does not fit into a column. */
function formatFailures(sets: readonly SetStatus[]): string {
  const failures = sets.flatMap(({ set, success, failure }) => {
    // what has succeeded since then needs nobody
    if (failure === null || (success !== null && success.at > failure.at.toISOString())) return [];
    return [`${set}: ${failure.code}: ${printable(failure.message.split("\n", 1)[0] ?? "")}\n`];
  });
  return failures.length === 0 ? "" : `\n${failures.join("")}`;
}

function formatSpool({ objects, bytes, oldestAt, limitBytes }: SpoolUsage, now: number): string {
  const limit = `of ${formatBytes(limitBytes)}`;
  if (objects === 0) return `empty, ${formatBytes(bytes)} ${limit}`;
  const since = oldestAt === null ? "" : `, the oldest for ${formatDuration(now - oldestAt.getTime())}`;
  return `${objects} waiting, ${formatBytes(bytes)} ${limit}${since}`;
}

function untilDue({ due }: Plan, now: number): string {
  const inMs = due.getTime() - now;
  return inMs >= 0 ? formatTime(due.toISOString()) : `overdue ${formatDuration(-inMs)}`;
}

/** `2026-11-21 02:15Z`: to the minute, so that three of them fit. */
function formatTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)}Z`;
}
