/**
 * One thing that Airlock relies on from a store, as a question with a short answer. What AWS answers is part of the
 * check; what another store answers is found out by running it.
 */
import type { Bench } from "./bench.ts";

export interface Check {
  /** Stable: the recorded differences name it. */
  readonly id: string;
  /** What is asked, in the words of somebody who runs a store. */
  readonly question: string;
  /** AWS's answer, from its documentation; the embedded server's must be the same. */
  readonly aws: string;
  /** Asks. Throws only when the question could not be put at all. */
  readonly ask: (bench: Bench) => Promise<string>;
  /** What it means for Airlock where a store answers otherwise. */
  readonly otherwise: Meaning | ((answer: string) => Meaning);
}

/** Null where a role never meets it. */
export interface Meaning {
  readonly dropZone: string | null;
  readonly vault: string | null;
}

export interface Area {
  readonly title: string;
  readonly checks: readonly Check[];
}
