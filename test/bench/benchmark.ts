import type { Figure } from "./figure.ts";

export interface BenchContext {
  /** A line about what is being done now; not a result. */
  readonly say: (line: string) => void;
  readonly report: (figure: Figure) => void;
  /** Aborted when somebody stops the benchmark: it cleans up and throws. */
  readonly signal: AbortSignal;
}

export interface Benchmark {
  readonly name: string;
  readonly description: string;
  /** Throws when it cannot measure. What it measured is judged by the limits of its figures. */
  run(context: BenchContext): Promise<void>;
}
