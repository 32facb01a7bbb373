import type { PublicKey } from "../shared/keys.ts";
import type { VaultReader } from "../shared/stores.ts";
import { createChooser, type Candidate } from "./choose.ts";
import { readLedgers, type LedgerProblem } from "./ledger-reader.ts";
import type { Selector } from "./selector.ts";
import { storedObjectOf } from "./stored-object.ts";

export interface FindContext {
  readonly reader: VaultReader;
  readonly movers: ReadonlyMap<string, readonly PublicKey[]>;
  readonly signal: AbortSignal;
  readonly onLedgerProblem: (problem: LedgerProblem) => void;
}

/** The object that a selector means. @throws {AirlockError} `entry-missing` */
export async function findObject(selector: Selector, at: Date | null, context: FindContext): Promise<Candidate> {
  const chooser = createChooser(selector, at);
  await considerAll(context, (candidate) => chooser.consider(candidate));
  return chooser.choose();
}

/** Every object that a ledger records under a mover's signature. */
export async function considerAll(context: FindContext, consider: (candidate: Candidate) => void): Promise<void> {
  for await (const item of readLedgers(context.reader, context.movers, context.signal)) {
    if (item.kind === "problem") {
      context.onLedgerProblem(item);
      continue;
    }
    if (item.signer === null) continue; // nothing in it is proven
    for (const entry of item.segment.entries) {
      const object = storedObjectOf(entry, item.segment.header.mover, item.segment.header.segment);
      if (object !== null) consider({ object, intact: item.intact });
    }
  }
}
