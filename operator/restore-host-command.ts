import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError, exitCodeOf, type ExitCode } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { formatTime } from "./list.ts";
import { openVault } from "./open-vault.ts";
import type { PlanOptions } from "./plan.ts";
import type { RestoreOptions } from "./restore-command.ts";
import { restoreContext, showHostProgress } from "./restore-context.ts";
import { restoreHost, type RestoredHost, type SetOutcome } from "./restore-host.ts";
import { restoredValue } from "./restored.ts";

/** `airlock restore HOST [--at TIME] [--to DIR] [--identity FILE|-] …`: every set of it. */
export async function runRestoreHost(
  io: Io,
  host: string,
  at: Date | null,
  planOptions: PlanOptions,
  options: RestoreOptions,
): Promise<void> {
  if (options.to === "-" || options.list === true || planOptions.only.length > 0) {
    throw new AirlockError("usage", `${host} is a host, and --to -, --only and --list are about one set`, {
      remedy: `write HOST/SET; \`airlock ls ${host}\` shows what there is`,
    });
  }
  await using vault = await openVault(io);
  const warnings = warnOfLedger(io);
  const progress = showHostProgress(io, host);
  let restored: RestoredHost;
  try {
    const order = vault.config.restoreOrder.get(host) ?? [];
    restored = await restoreHost(
      { ...planOptions, host, at, to: options.to, order },
      restoreContext(io, vault, options, warnings, progress),
    );
  } finally {
    progress.end();
  }
  warnings.end();
  io.print({ host, sets: restored.sets.map(outcomeValue), foreign: restored.foreign }, () =>
    describeHost(host, options.to, restored),
  );
  io.exitWith(exitOf(restored.sets));
}

/** 6 when some sets are there and others are not. */
function exitOf(sets: readonly SetOutcome[]): ExitCode {
  const failures = sets.filter((set) => set.outcome === "failed");
  const [first] = failures;
  if (first === undefined) return 0;
  return failures.length < sets.length ? 6 : exitCodeOf(first.error);
}

function describeHost(host: string, to: string, { sets, foreign }: RestoredHost): string {
  const done = sets.filter(({ outcome }) => outcome !== "failed").length;
  const lines = [
    `restored ${done} of ${sets.length} sets of ${host} to ${printable(to)}`,
    ...sets.flatMap(describeSet),
    ...(foreign > 0 ? [`  ${foreign} objects belong to no set: \`airlock ls ${host}\` shows them`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function describeSet(set: SetOutcome): readonly string[] {
  if (set.outcome === "failed") {
    const { code, message, remedy } = set.error;
    return [
      `  ${set.set}: FAILED, ${code}: ${printable(message)}`,
      ...(remedy === undefined ? [] : [`    ${printable(remedy)}`]),
    ];
  }
  const { object, signer, waived } = set.plan;
  const remarks = set.outcome === "restored" ? set.placed.remarks : [];
  const how =
    set.outcome === "restored"
      ? `${formatBytes(set.placed.restoredBytes)} in ${set.placed.files} files`
      : "there already";
  const who = signer === null ? "signed by nobody" : `signed by ${object.host}`;
  return [
    `  ${set.set}: as of ${formatTime(object.at)} UTC, ${how}, ${who}`,
    ...[...waived, ...remarks].map((reason) => `    WARNING ${printable(reason)}`),
  ];
}

function outcomeValue(set: SetOutcome): object {
  if (set.outcome === "restored") return { outcome: set.outcome, ...restoredValue({ ...set.plan, ...set.placed }) };
  if (set.outcome === "there-already") return { outcome: set.outcome, set: set.set, key: set.plan.object.key };
  const { code, message, subject, remedy } = set.error;
  return { outcome: set.outcome, set: set.set, error: { code, message, subject, remedy } };
}
