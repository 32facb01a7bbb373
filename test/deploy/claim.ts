/** What a part of the deployment promises, the real program that showed it, and what came of it. */
import { formatTable } from "../../shared/table.ts";
import { Missing } from "../servers/server.ts";

export interface Claim {
  /** What is promised, in a few words. */
  readonly claim: string;
  /** The program whose word it is, with its version where that matters: `systemd-analyze`, `nft`, `dpkg`, … */
  readonly provedBy: string;
  /** Throws when the claim is wrong, and {@link Missing} when this machine can't tell. Resolves to what was seen, in a few words. */
  readonly prove: (signal: AbortSignal) => Promise<string>;
}

/** Claims that are proved one after the other, since the later ones build on what the earlier ones left. */
export interface Part {
  readonly name: string;
  /** What the part needs on the machine is installed here, pinned; {@link Missing} where it can't be had. */
  readonly install?: () => Promise<unknown>;
  /** What is made here is removed again by what `stack` is given. */
  readonly open: (stack: AsyncDisposableStack) => Promise<readonly Claim[]>;
}

export type Outcome = "proved" | "NOT PROVED" | "FAILED";

export interface Result {
  readonly part: string;
  readonly claim: string;
  readonly provedBy: string;
  readonly outcome: Outcome;
  /** What was seen, what is missing, or what went wrong. */
  readonly seen: string;
}

const WIDTH = 160;

/** {@link Missing} is the one reason that is no failure: the row stays, and says what to install. */
export function judge(part: string, { claim, provedBy }: Omit<Claim, "prove">, thrown: unknown): Result {
  const seen = thrown instanceof Error ? thrown.message : String(thrown);
  return { part, claim, provedBy, outcome: thrown instanceof Missing ? "NOT PROVED" : "FAILED", seen };
}

/** The table, and below it in full what did not fit into it of rows that were not proved. */
export function formatResults(results: readonly Result[]): string {
  const columns = [
    { header: "PART" },
    { header: "CLAIM", shrinkTo: 60 },
    { header: "PROVED BY", shrinkTo: 20 },
    { header: "RESULT" },
    { header: "SEEN", shrinkTo: 20 },
  ];
  const rows = results.map(({ part, claim, provedBy, outcome, seen }) => [part, claim, provedBy, outcome, seen]);
  const notes = results
    .filter(({ outcome }) => outcome !== "proved")
    .map(({ part, claim, outcome, seen }) => `${outcome}: ${part}: ${claim}\n    ${seen.replaceAll("\n", "\n    ")}\n`);
  return [formatTable(columns, rows, WIDTH), ...notes].join("\n");
}
