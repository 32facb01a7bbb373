/** What befalls a request on its way: nothing, mostly; in spells of bad weather, anything. */
import type { Code } from "../../../shared/errors.ts";
import type { Random } from "./random.ts";

export type StoreName = "drop-zone" | "vault";
/** As `shared/s3` has it: what may have happened when no answer came. `body`: a read whose answer takes a while to come. */
export type CallKind = "read" | "body" | "repeatable" | "write";

export const SPELL_KINDS = ["error", "503", "timeout", "reset", "mixed", "denied"] as const;
export type SpellKind = (typeof SPELL_KINDS)[number];

export interface Spell {
  readonly store: StoreName | "both";
  readonly kind: SpellKind;
  readonly fromMs: number;
  readonly untilMs: number;
  /** Of the requests within it. */
  readonly share: number;
}

export interface Fate {
  /** Whether the request takes effect, and when: `late` is after its sender has given up. */
  readonly effect: "taken" | "not-taken" | "late";
  /** null: the store's own answer comes back. */
  readonly code: Code | null;
  /** How long the sender waits for its answer, beside the usual. */
  readonly waitMs: number;
  /** Of a body that is being read: the share after which it breaks off; null: it comes whole. */
  readonly bodyCutAt: number | null;
}

const FAIR: Fate = { effect: "taken", code: null, waitMs: 0, bodyCutAt: null };
const TIMEOUT_MS = 30_000;

export class Weather {
  readonly spells: Spell[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Of a request that is sent at `nowMs`. */
  fateOf(store: StoreName, kind: CallKind, nowMs: number): Fate {
    const spell = this.spells.find(
      ({ store: name, fromMs, untilMs }) => (name === store || name === "both") && nowMs >= fromMs && nowMs < untilMs,
    );
    if (spell === undefined || !this.#random.chance(spell.share)) return FAIR;
    return this.#befall(spell.kind, kind);
  }

  #befall(spell: SpellKind, kind: CallKind): Fate {
    const random = this.#random;
    // only a sender whose request got through has something that may have taken effect
    const uncertain = kind === "write" ? "outcome-unknown" : "store-unavailable";
    const isRead = kind === "read" || kind === "body";
    const mayTake = !isRead && random.chance(0.5);
    const failed: Fate = { ...FAIR, effect: mayTake ? "taken" : "not-taken", code: uncertain };
    switch (spell) {
      case "error":
        return failed;
      case "503":
        // a store that sheds load says so before it does anything
        return { ...FAIR, effect: "not-taken", code: "slow-down" };
      case "denied":
        return { ...FAIR, effect: "not-taken", code: "access-denied" };
      case "timeout":
        return { ...failed, effect: mayTake && random.chance(0.4) ? "late" : failed.effect, waitMs: TIMEOUT_MS };
      case "reset":
        if (kind === "body") return { ...FAIR, bodyCutAt: random.next() };
        return failed;
      case "mixed":
        return this.#befall(random.pick(["error", "503", "timeout", "reset"] as const), kind);
      default:
        return spell satisfies never;
    }
  }
}
