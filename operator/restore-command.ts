import type { Io } from "../shared/cli.ts";
import { formatBytes } from "../shared/config/units.ts";
import { AirlockError } from "../shared/errors.ts";
import { printable } from "../shared/printable.ts";
import { startProgress } from "../shared/progress.ts";
import { realTiming } from "../shared/retry.ts";
import { readIdentities } from "./identity.ts";
import { startLazily } from "./lazy-progress.ts";
import { warnOfLedger } from "./ledger-warnings.ts";
import { formatTime } from "./list.ts";
import { openVault } from "./open-vault.ts";
import { restore, type Restored } from "./restore.ts";
import { formatSelector, parseSelector, parseTime } from "./selector.ts";
import { identityInput } from "./terminal.ts";

export interface RestoreOptions {
  readonly at?: string;
  readonly to: string;
  readonly identity?: string;
  readonly raw?: true;
  readonly unverified?: true;
}

/** `airlock restore HOST/SET [--at TIME] [--to DIR|-] [--identity FILE|-] [--raw] [--unverified]` */
export async function runRestore(io: Io, what: string, options: RestoreOptions): Promise<void> {
  const selector = parseSelector(what);
  if (selector.path === null) {
    throw new AirlockError("usage", `${formatSelector(selector)} is a host: which of its sets is to be restored?`, {
      remedy: `write HOST/SET; \`airlock ls ${selector.host}\` shows what there is`,
    });
  }
  const toStdout = options.to === "-";
  if (toStdout && io.json) {
    throw new AirlockError("usage", "standard output can't take both the bytes and a JSON value", {
      remedy: "leave out --json, or restore into a folder",
    });
  }
  const at = options.at === undefined ? null : parseTime(options.at);
  await using vault = await openVault(io);
  const warnings = warnOfLedger(io);
  const progress = startLazily((totalBytes) =>
    startProgress({ label: what, totalBytes, stream: io.stderr, now: () => performance.now() }),
  );
  const { reader, config } = vault;
  try {
    const restored = await restore(
      {
        selector,
        at,
        to: toStdout ? io.stdout : options.to,
        raw: options.raw === true,
        unverified: options.unverified === true,
      },
      {
        reader,
        movers: config.movers,
        hosts: config.hosts,
        timing: realTiming,
        signal: io.abort,
        env: io.env,
        readIdentities: () => readIdentities(options.identity ?? null, identityInput(io)),
        onLedgerProblem: (problem) => warnings.add(problem),
        onProgress: progress.reached,
      },
    );
    warnings.end();
    const text = describeRestored(restored);
    if (toStdout) io.stderr.write(text);
    else io.print(restoredValue(restored), text);
  } finally {
    progress.end();
  }
}

function describeRestored({ object, paths, signer, waived, encoding, remarks }: Restored): string {
  const { sizeBytes, sha256, at, host, mover, segment } = object;
  const lines = [
    `restored ${printable(object.set === null ? object.key : object.group)} as of ${formatTime(at)} UTC, the time at which it was recorded`,
    ...describePaths(paths).map((path) => `  to        ${path}`),
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

function restoredValue({ object, paths, signer, waived, encoding, remarks }: Restored): object {
  return {
    host: object.host,
    set: object.set,
    key: object.key,
    at: object.at.toISOString(),
    size: object.sizeBytes,
    sha256: object.sha256,
    encoding,
    hostKey: signer?.id ?? null,
    unverified: waived,
    mover: object.mover,
    segment: object.segment,
    paths,
    remarks,
  };
}
