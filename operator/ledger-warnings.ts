import type { Io } from "../shared/cli.ts";
import { printable } from "../shared/printable.ts";
import type { LedgerProblem } from "./ledger-reader.ts";

/** As many as fit on a screen; `verify` tells all. */
const SHOWN = 5;

export interface LedgerWarnings {
  add(problem: LedgerProblem): void;
  end(): void;
  /** Whether something in a ledger is wrong, beyond a mover that is or is not there. */
  readonly isDamaged: boolean;
}

/** Says on standard error what is wrong with the ledgers that a command goes by without being about that. */
export function warnOfLedger(io: Pick<Io, "stderr">): LedgerWarnings {
  let count = 0;
  let damaged = false;
  return {
    add: ({ code, message }) => {
      count += 1;
      damaged ||= code !== "mover-unknown" && code !== "mover-silent";
      if (count <= SHOWN) io.stderr.write(`airlock: warning: ${printable(message)}\n`);
    },
    end: () => {
      if (count > SHOWN) io.stderr.write(`airlock: warning: and ${count - SHOWN} more\n`);
      if (damaged)
        io.stderr.write(
          "airlock: warning: the ledger is damaged and may not show all there is: run `airlock verify`\n",
        );
    },
    get isDamaged() {
      return damaged;
    },
  };
}
