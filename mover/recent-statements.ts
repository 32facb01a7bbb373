import type { SignedStatement } from "../shared/statement.ts";

/** At most 4 KiB each. */
const MAX_REMEMBERED = 1000;

/**
 * The statements of what was recorded last, by the object's key. A host that did not hear that its object was stored
 * stores it once more; when the first copy leaves just then, the statement beside goes with it and the second lies
 * there without.
 */
export class RecentStatements {
  readonly #byKey = new Map<string, SignedStatement>();

  add(signed: SignedStatement): void {
    const { key } = signed.statement;
    this.#byKey.delete(key);
    this.#byKey.set(key, signed);
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > MAX_REMEMBERED && oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** To be verified like any other. */
  find(key: string): SignedStatement | null {
    return this.#byKey.get(key) ?? null;
  }
}
