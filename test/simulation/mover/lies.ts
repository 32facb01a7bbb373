/** What whoever holds the drop-zone's account can answer instead of the truth. */
import { AirlockError } from "../../../shared/errors.ts";
import type { ObjectAttributes, StoredVersion } from "../../../shared/stores.ts";
import type { Random } from "./random.ts";

const LISTING_LIES = [
  "leaves some out",
  "shows nothing",
  "backwards",
  "shows each twice",
  "names what is not there",
  "wrong sizes",
  "wrong etags",
  "wrong dates",
  "other version ids",
  "never ends",
] as const;
const READING_LIES = [
  "a flipped byte",
  "a short body",
  "a long body",
  "no such object",
  "it has changed",
  "other metadata",
  "tags without number",
  "denied",
] as const;
const DELETING_LIES = ["gone, and is not", "failed, and is gone", "not a word"] as const;
export const LIES = [...LISTING_LIES, ...READING_LIES, ...DELETING_LIES] as const;
export type Lie = (typeof LIES)[number];

export interface LyingSpell {
  readonly lie: Lie;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Of the answers within it. */
  readonly share: number;
}

export class Lies {
  readonly spells: LyingSpell[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Whether this lie is told now. */
  tells(lie: Lie, nowMs: number): boolean {
    return this.spells.some(
      (spell) =>
        spell.lie === lie && nowMs >= spell.fromMs && nowMs < spell.untilMs && this.#random.chance(spell.share),
    );
  }

  /** A page's entries, as they are shown. */
  listed(truth: readonly StoredVersion[], prefix: string, nowMs: number): readonly StoredVersion[] {
    if (this.spells.length === 0) return truth;
    const random = this.#random;
    let shown = truth;
    if (this.tells("shows nothing", nowMs)) return [];
    if (this.tells("leaves some out", nowMs)) shown = shown.filter(() => random.chance(0.5));
    if (this.tells("shows each twice", nowMs)) shown = shown.flatMap((version) => [version, { ...version }]);
    if (this.tells("wrong sizes", nowMs))
      shown = shown.map((version) => ({ ...version, sizeBytes: version.sizeBytes + random.int(-1, 2) || 1 }));
    if (this.tells("wrong etags", nowMs))
      shown = shown.map((version) => ({ ...version, etag: `"${random.int(0, 2 ** 31).toString(16)}"` }));
    if (this.tells("wrong dates", nowMs))
      shown = shown.map((version) => ({
        ...version,
        lastModified: new Date(version.lastModified.getTime() - random.int(-1, 1) * 1000 * random.int(1, 100_000)),
      }));
    if (this.tells("other version ids", nowMs))
      shown = shown.map((version) => ({ ...version, versionId: version.versionId === null ? null : "v000000" }));
    if (this.tells("names what is not there", nowMs))
      shown = [...shown, ...shown.map((version) => ({ ...version, key: `${version.key}x` }))];
    if (this.tells("backwards", nowMs)) shown = shown.toReversed();
    return shown.filter(({ key, sizeBytes }) => key.startsWith(prefix) && sizeBytes >= 0);
  }

  /** @throws {AirlockError} what a read is answered with instead */
  refuseRead(nowMs: number): void {
    if (this.spells.length === 0) return;
    if (this.tells("no such object", nowMs)) throw new AirlockError("not-found", "a lie");
    if (this.tells("it has changed", nowMs)) throw new AirlockError("source-changed", "a lie");
    if (this.tells("denied", nowMs)) throw new AirlockError("access-denied", "a lie");
  }

  attributes(truth: ObjectAttributes, nowMs: number): ObjectAttributes {
    if (this.spells.length === 0 || !this.tells("other metadata", nowMs)) return truth;
    const metadata = new Map(truth.metadata);
    const statement = metadata.get("airlock");
    if (statement === undefined) metadata.set("airlock", "AAAA");
    else if (this.#random.chance(0.5)) metadata.delete("airlock");
    else metadata.set("airlock", statement.slice(0, this.#random.int(0, statement.length)));
    return { ...truth, metadata };
  }

  tagCount(truth: number, nowMs: number): number {
    return this.spells.length > 0 && this.tells("tags without number", nowMs) ? 1_000_000 : truth;
  }

  body(truth: Uint8Array, nowMs: number): Uint8Array {
    if (this.spells.length === 0) return truth;
    if (this.tells("a short body", nowMs)) return truth.subarray(0, Math.floor(truth.length * this.#random.next()));
    if (this.tells("a long body", nowMs)) return Buffer.concat([truth, this.#random.bytes(this.#random.int(1, 5000))]);
    if (truth.length > 0 && this.tells("a flipped byte", nowMs)) {
      const altered = Buffer.from(truth);
      altered.writeUInt8(altered.readUInt8(0) ^ 1, 0);
      altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 2, altered.length - 1);
      return altered;
    }
    return truth;
  }
}
