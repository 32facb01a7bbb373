/** An hour of virtual time in which nothing gets through, and what comes after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { installHooks } from "./hooks.ts";
import type { Plan } from "./plan.ts";
import type { Spell } from "./weather.ts";

installHooks();
const { History, START_MS } = await import("./history.ts");

const HOUR_MS = 3_600_000;
const FROM_MS = START_MS + 20_000;
/** The longest wait between two attempts at an object, and a sweep to see it. */
const BACKOFF_MS = 5 * 60_000;
/**
 * Of an hour: a sweep waits 15 s on average, a segment likewise, an object 150 s and then asks a few times; twice as much
 * is a loop.
 */
const MAX_REQUESTS = 6_000;
const SEEDS = [1, 2, 3, 4] as const;

/** Honest hosts only; what they store in the first minute meets the spell. */
function during(spell: Omit<Spell, "fromMs" | "untilMs" | "share">): (plan: Plan) => Plan {
  return (plan) => ({
    ...plan,
    activeMs: 60_000,
    uploads: 12,
    stolenHost: null,
    isAccountTaken: false,
    foreignHost: null,
    crashes: 0,
    interruptions: 0,
    lyingSpells: [],
    spells: [{ ...spell, fromMs: FROM_MS, untilMs: FROM_MS + HOUR_MS, share: 1 }],
  });
}

async function liveThrough(seed: number, spell: Omit<Spell, "fromMs" | "untilMs" | "share">): Promise<void> {
  const history = new History(seed, { adjust: during(spell) });
  const { inspector, clock, book } = history;
  const never = (): boolean => inspector.violations.length > 0;
  history.start();
  await clock.runUntil(never, FROM_MS);
  const before = { requests: history.requests, objects: history.vault.objects.size };
  await clock.runUntil(never, FROM_MS + HOUR_MS);
  const asked = history.requests - before.requests;
  assert.ok(asked > 50, `${asked} requests: it has not given up`);
  assert.ok(asked < MAX_REQUESTS, `${asked} requests in an hour: a loop`);
  assert.ok(book.uploads.length > before.objects, "something was stored that could not be moved");
  const isDone = (): boolean => never() || history.findRest().length === 0;
  assert.ok(await clock.runUntil(isDone, FROM_MS + HOUR_MS + BACKOFF_MS), history.findRest().join("\n"));
  assert.deepEqual(inspector.violations, []);
}

for (const store of ["drop-zone", "vault", "both"] as const) {
  test(`${store === "both" ? "both stores answer" : `the ${store} answers`} 503 for an hour: no loss, no loop, and all is well one backoff later`, async () => {
    for (const seed of SEEDS) await liveThrough(seed, { store, kind: "503" });
  });
}

for (const kind of ["reset", "timeout", "error"] as const) {
  test(`every connection ends in a ${kind} for an hour, the request having taken effect or not: no loss, no loop, and all is well one backoff later`, async () => {
    for (const seed of SEEDS) await liveThrough(seed, { store: "both", kind });
  });
}
