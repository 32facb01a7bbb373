import type { Io } from "../shared/cli.ts";
import { formatBytes, parseSize } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { finish, toJsonLines } from "./json-lines.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { formatTime } from "./list.ts";
import { openVault } from "./open-vault.ts";
import type { PlanOptions } from "./plan.ts";
import { restoreContext, showProgress, type ContextOptions } from "./restore-context.ts";
import { restore, type Restored } from "./restore.ts";
import { runRestoreHost } from "./restore-host-command.ts";
import { restoredValue } from "./restored.ts";
import { parseSelector, parseTime } from "./selector.ts";

export interface RestoreOptions extends ContextOptions {
  readonly at?: string;
  readonly to: string;
  readonly only?: readonly string[];
  readonly list?: true;
  readonly devices?: true;
  readonly maxSize?: string;
  readonly raw?: true;
  readonly unverified?: true;
}

/** `airlock restore HOST[/SET] [--at TIME] [--to DIR|-] [--only PATH] [--list] [--identity FILE|-] …` */
export async function runRestore(io: Io, what: string, options: RestoreOptions): Promise<void> {
  const selector = parseSelector(what);
  const planOptions = parsePlanOptions(options);
  const at = options.at === undefined ? null : parseTime(options.at);
  if (selector.path === null) return runRestoreHost(io, selector.host, at, planOptions, options);
  const toStdout = options.to === "-" || options.list === true;
  if (options.to === "-" && io.json) {
    throw new AirlockError("usage", "standard output can't take both the bytes and a JSON value", {
      remedy: "leave out --json, or restore into a folder",
    });
  }
  await using vault = await openVault(io);
  const warnings = warnOfLedger(io);
  const progress = showProgress(io, what);
  const members = options.list === true && io.json ? toJsonLines(io.stdout) : null;
  try {
    const restored = await restore(
      {
        ...planOptions,
        selector,
        at,
        to: toStdout ? (members ?? io.stdout) : options.to,
        list: options.list !== true ? null : io.json ? "short" : "long",
      },
      restoreContext(io, vault, options, warnings, progress),
    );
    progress.end();
    warnings.end();
    if (members !== null) await finish(members);
    if (options.list === true) return;
    const text = describeRestored(restored);
    if (toStdout) io.stderr.write(text);
    else io.print(restoredValue(restored), text);
  } finally {
    progress.end();
  }
}

function parsePlanOptions(options: RestoreOptions): PlanOptions {
  const { raw = false, unverified = false, devices = false, maxSize } = options;
  const only = (options.only ?? []).map(parseMember);
  const maxBytes = maxSize === undefined ? null : parseSize(maxSize);
  if (maxSize !== undefined && maxBytes === null) {
    throw new AirlockError("usage", `${JSON.stringify(maxSize)} is not a size`, { remedy: "write it as 100GiB" });
  }
  const clash =
    raw && (only.length > 0 || options.list === true)
      ? "--raw leaves the archive as it is, so --only and --list have nothing to go by"
      : options.to === "-" && only.length > 0
        ? "--only restores files, and standard output takes one stream"
        : null;
  if (clash !== null) throw new AirlockError("usage", clash, { remedy: "leave out one of them" });
  return { raw, unverified, devices, only, maxBytes };
}

/** As people write paths: archives name their members without the slash at the beginning. */
function parseMember(text: string): string {
  const member = text.replace(/^\/+/, "").replace(/\/+$/, "");
  if (member !== "" && !member.includes("\0")) return member;
  throw new AirlockError("usage", `--only ${JSON.stringify(text)} names no member`, {
    remedy: "give a path as --list shows it",
  });
}

function describeRestored({ object, paths, files, signer, waived, encoding, remarks }: Restored): string {
  const { sizeBytes, sha256, at, host, mover, segment } = object;
  const lines = [
    `restored ${printable(object.set === null ? object.key : object.group)} as of ${formatTime(at)} UTC, the time at which it was recorded`,
    ...describePaths(paths).map((path) => `  to        ${path}`),
    ...(encoding.includes("tar") && paths.length > 0 ? [`  files     ${files}`] : []),
    `  stored    ${formatBytes(sizeBytes)}${encoding.length > 0 ? ` (${encoding.join(", ")})` : ""}, recorded by ${printable(mover)} in segment ${segment}`,
    `  sha-256   ${sha256}, verified`,
    signer === null
      ? `  signed    by nobody: that ${host} made it can't be shown; the bytes are the ones that the mover recorded`
      : `  signed    by ${host}, key ${signer.id}`,
    ...[...waived, ...remarks].map((reason) => `  WARNING   ${printable(reason)}`),
  ];
  return `${lines.join("\n")}\n`;
}

const PATHS_SHOWN = 10;

function describePaths(paths: readonly string[]): string[] {
  const shown = paths.slice(0, PATHS_SHOWN).map(printable);
  return paths.length > PATHS_SHOWN ? [...shown, `and ${paths.length - PATHS_SHOWN} more`] : shown;
}
