/** What a seed decides before its history begins. */
import type { HostPolicy } from "../../../mover/config.ts";
import { signingKeyOf } from "./book.ts";
import { LIES, type LyingSpell } from "./lies.ts";
import type { MoverSettings } from "./mover.ts";
import type { Random } from "./random.ts";
import { SPELL_KINDS, type Spell } from "./weather.ts";

export interface Plan {
  readonly versioned: boolean;
  readonly wholeSeconds: boolean;
  readonly hostNames: readonly string[];
  /** Signs nothing and chooses its own names; null: there is none. */
  readonly foreignHost: string | null;
  /** Whose keys a thief has; null: nobody's. */
  readonly stolenHost: string | null;
  readonly isAccountTaken: boolean;
  readonly settings: MoverSettings;
  readonly activeMs: number;
  readonly skewMs: number;
  readonly crashes: number;
  /** How often it is killed, stopped or aborted between two requests. */
  readonly interruptions: number;
  readonly uploads: number;
  readonly spells: readonly Spell[];
  readonly lyingSpells: readonly LyingSpell[];
}

const HOSTS = ["web1", "db-2", "constructor"] as const;
const FOREIGN = "logs";
const NO_QUOTA = { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null };

export function drawPlan(random: Random, startMs: number): Plan {
  const activeMs = random.int(15_000, 90_000);
  const versioned = random.chance(0.65);
  const isAccountTaken = random.chance(0.5);
  const hostNames = HOSTS.slice(0, random.int(1, HOSTS.length));
  const foreignHost = versioned && !isAccountTaken && random.chance(0.3) ? FOREIGN : null;
  const spell = (): { readonly fromMs: number; readonly untilMs: number; readonly share: number } => {
    const fromMs = startMs + random.int(0, activeMs);
    const untilMs = Math.min(startMs + activeMs, fromMs + random.int(500, 40_000));
    return { fromMs, untilMs, share: random.pick([0.1, 0.3, 0.6, 1]) };
  };
  const few = (most: number): readonly number[] => Array.from({ length: random.int(0, most) }, (_, index) => index);
  return {
    versioned,
    wholeSeconds: random.chance(0.5),
    hostNames,
    foreignHost,
    stolenHost: random.chance(0.4) ? random.pick(hostNames) : null,
    isAccountTaken,
    settings: {
      hosts: policiesOf(hostNames, foreignHost),
      concurrency: random.int(1, 8),
      memoryBytes: random.int(140, 800) * 1024,
      pollMs: random.pick([200, 1_000, 5_000]),
      missingAfterMs: random.pick([60_000, 180_000]),
      checkpointEvery: random.int(2, 40),
    },
    activeMs,
    skewMs: random.chance(0.3) ? random.int(-300_000, 300_000) : 0,
    crashes: random.chance(0.6) ? random.int(1, 5) : 0,
    interruptions: random.int(0, 3),
    uploads: random.int(2, 14),
    spells: few(3).map(() => ({
      ...spell(),
      store: random.pick(["drop-zone", "vault", "both"] as const),
      kind: random.pick(SPELL_KINDS),
    })),
    lyingSpells: isAccountTaken ? few(4).map(() => ({ ...spell(), lie: random.pick(LIES) })) : [],
  };
}

function policiesOf(hostNames: readonly string[], foreignHost: string | null): ReadonlyMap<string, HostPolicy> {
  const base = { expect: new Map(), quota: NO_QUOTA };
  const policies = new Map<string, HostPolicy>();
  for (const name of hostNames) {
    const publicKeys = [signingKeyOf(name).public];
    policies.set(name, { ...base, publicKeys, signatures: "required", foreign: false });
  }
  if (foreignHost !== null) policies.set(foreignHost, { ...base, publicKeys: [], signatures: "none", foreign: true });
  return policies;
}
