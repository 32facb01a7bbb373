/**
 * One random history: hosts upload, attackers attack, stores and network fail, the mover is killed and started again;
 * then calm returns, and everything has to come right. All of it follows from the seed.
 */
import { createHash } from "node:crypto";
import { TAMPERINGS, tamper } from "./account-holder.ts";
import { Book } from "./book.ts";
import { VirtualClock } from "./clock.ts";
import { findRest } from "./aftermath.ts";
import { Host, type Surroundings } from "./hosts.ts";
import { Inspector, MOVER } from "./inspector.ts";
import { Lies } from "./lies.ts";
import { MoverProcess, type Ended } from "./mover.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { createRandom, type Random } from "./random.ts";
import type { Truth } from "./stores.ts";
import { commit, THEFTS } from "./thief.ts";
import { Vault } from "./vault.ts";
import { Weather } from "./weather.ts";
import { Zone, type ZoneVersion } from "./zone.ts";

/** Epoch ms. */
export const START_MS = Date.parse("2026-01-01T00:00:00.000Z");
/** What was begun, hidden or delayed while things went wrong is over by then. */
const QUIET_MS = 120_000;
const SETTLED_WITHIN_MS = 2 * 3_600_000;
const STOPPED_WITHIN_MS = 10 * 60_000;
/** A history that asks more than this does so in a loop; most ask a few hundred times. */
const MAX_REQUESTS = 12_000;

export interface Verdict {
  readonly seed: number;
  readonly violations: readonly string[];
  /** What happened, a line each; with `trace` every request and every log line too. */
  readonly steps: readonly string[];
  /** Of all steps, requests and log lines: the same for the same seed. */
  readonly digest: string;
  readonly requests: number;
  readonly objects: number;
  readonly virtualMs: number;
}

export interface HistoryOptions {
  readonly trace?: boolean;
  /** Changed before the history begins. */
  readonly adjust?: (plan: Plan) => Plan;
}

export async function runHistory(seed: number, options: HistoryOptions = {}): Promise<Verdict> {
  return new History(seed, options).run();
}

export class History {
  readonly seed: number;
  readonly clock = new VirtualClock(START_MS);
  readonly plan: Plan;
  readonly zone: Zone;
  readonly book: Book;
  readonly inspector: Inspector;
  readonly vault: Vault;
  /** What the mover has removed. */
  readonly gone: ZoneVersion[] = [];
  readonly weather: Weather;
  readonly lies: Lies;
  mover: MoverProcess | null = null;
  requests = 0;
  readonly #trace: boolean;
  readonly #steps: string[] = [];
  readonly #digest = createHash("sha256");
  readonly #random: Random;
  readonly #truth: Truth;
  readonly #hosts: readonly Host[];
  #crashesLeft: number;
  #isCalm = false;
  #lastEnd: Ended | null = null;

  constructor(seed: number, { trace = false, adjust = (plan) => plan }: HistoryOptions) {
    this.seed = seed;
    this.#trace = trace;
    this.plan = adjust(drawPlan(createRandom(seed, "plan"), START_MS));
    this.#random = createRandom(seed, "deeds");
    this.weather = new Weather(createRandom(seed, "weather"));
    this.weather.spells.push(...this.plan.spells);
    this.lies = new Lies(createRandom(seed, "lies"));
    this.lies.spells.push(...this.plan.lyingSpells);
    const { versioned, wholeSeconds, isAccountTaken, settings } = this.plan;
    const now = (): number => this.clock.nowMs;
    this.zone = new Zone({ versioned, wholeSeconds, now });
    this.book = new Book(settings.hosts, this.zone);
    this.inspector = new Inspector({ zone: this.zone, book: this.book, hosts: settings.hosts, isAccountTaken });
    this.vault = new Vault(MOVER, this.inspector);
    this.inspector.watch(this.vault);
    this.#crashesLeft = this.plan.crashes;
    this.#truth = {
      zone: this.zone,
      vault: this.vault,
      lies: this.lies,
      now,
      onShown: (version) => this.inspector.shown(version),
      willDelete: (version) => {
        this.inspector.willDelete(version);
        this.gone.push(version);
      },
    };
    const around: Surroundings = {
      clock: this.clock,
      random: this.#random,
      zone: this.zone,
      book: this.book,
      tell: (line) => this.tell(line),
    };
    this.#hosts = this.plan.hostNames.map((name) => new Host(name, around));
    this.#schedule(around);
  }

  /** What has not come right yet. */
  findRest(): readonly string[] {
    return findRest(this);
  }

  tell(line: string): void {
    this.#note(line, true);
  }

  async run(): Promise<Verdict> {
    const { clock, inspector, plan } = this;
    const isBroken = (): boolean => inspector.violations.length > 0;
    this.start();
    await clock.runUntil(isBroken, START_MS + plan.activeMs);
    this.tell("calm returns");
    this.#isCalm = true;
    await clock.runUntil(isBroken, clock.nowMs + QUIET_MS);
    for (const host of this.#hosts) host.upload(true);
    await clock.runUntil(isBroken, clock.nowMs + 10_000);
    let rest: readonly string[] = ["it never looked"];
    let seen: unknown = null;
    const isSettled = (): boolean => {
      if (isBroken() || this.requests >= MAX_REQUESTS) return true;
      const state = `${this.zone.changes} ${Math.floor(this.clock.nowMs / 5_000)}`;
      if (state === seen) return false;
      seen = state;
      rest = findRest(this);
      return rest.length === 0;
    };
    await clock.runUntil(isSettled, clock.nowMs + SETTLED_WITHIN_MS);
    for (const line of rest) inspector.violate(`at the end: ${line}`);
    if (!isBroken()) await this.#finish();
    return this.#verdict();
  }

  /** Starts the mover, and starts it again whenever it ends, as a supervisor does. */
  start(once = false): void {
    const { clock } = this;
    const crashes = !this.#isCalm && this.#crashesLeft > 0;
    if (crashes) this.#crashesLeft--;
    const when = this.#random.chance(0.5) ? "before" : "after";
    this.tell(once ? "the mover starts, once" : "the mover starts");
    this.mover = new MoverProcess({
      clock,
      weather: this.weather,
      random: createRandom(this.seed, `mover ${clock.nowMs}`),
      crash: crashes ? { request: this.#random.int(1, 80), when, untilMs: START_MS + this.plan.activeMs } : null,
      skewMs: this.plan.skewMs,
      settings: this.plan.settings,
      truth: this.#truth,
      once,
      onRequest: (name) => {
        this.#note(`  asks: ${name}`, false);
        this.requests++;
      },
      onEvent: (event, code, fields) => this.#note(`  logs: ${event} ${code} ${JSON.stringify(fields)}`, false),
      onEnded: (ended) => {
        this.tell(`the mover's end: ${ended.how}${ended.how === "failed" ? ` ${String(ended.error)}` : ""}`);
        this.#lastEnd = ended;
        this.#wasInterrupted ||= ended.how !== "done";
        if (!once && this.#restarts) clock.after(this.#random.int(100, 20_000), () => this.start());
      },
    });
  }

  #restarts = true;
  #wasInterrupted = false;

  async #finish(): Promise<void> {
    const { clock, inspector } = this;
    this.#restarts = false;
    this.mover?.stop();
    const hasEnded = (): boolean => this.mover?.hasEnded === true;
    if (!(await clock.runUntil(hasEnded, clock.nowMs + STOPPED_WITHIN_MS)))
      return inspector.violate("the mover does not stop when it is told to");
    if (this.#lastEnd?.how !== "done") inspector.violate(`the mover ended: ${this.#lastEnd?.how}`);
    this.start(true);
    if (!(await clock.runUntil(hasEnded, clock.nowMs + STOPPED_WITHIN_MS)))
      return inspector.violate("run --once does not end");
    if (this.#lastEnd?.how !== "done" || this.#lastEnd.outcome.failed > 0)
      inspector.violate(`run --once: ${JSON.stringify(this.#lastEnd)}`);
    for (const line of findRest(this)) inspector.violate(`after run --once: ${line}`);
    if (this.requests >= MAX_REQUESTS) inspector.violate(`${this.requests} requests: a loop`);
    if (!this.#wasInterrupted && this.plan.spells.length === 0 && this.vault.uploads.size > 0)
      inspector.violate(`${this.vault.uploads.size} uploads are left in the vault`);
  }

  #schedule(around: Surroundings): void {
    const { plan, clock } = this;
    const random = this.#random;
    const sometime = (run: () => void): void => void clock.after(random.int(0, plan.activeMs), run);
    for (let count = plan.uploads; count > 0; count--) sometime(() => random.pick(this.#hosts).upload());
    if (random.chance(0.1)) sometime(() => random.pick(this.#hosts).beginEpoch());
    for (let count = plan.interruptions; count > 0; count--) sometime(() => this.#interrupt());
    const { foreignHost, stolenHost, isAccountTaken } = plan;
    if (foreignHost !== null) {
      for (let count = random.int(1, 6); count > 0; count--)
        sometime(() => this.zone.put(`${foreignHost}/log/${random.int(1, 2)}.gz`, random.bytes(random.int(0, 12_000))));
    }
    const stolen = this.#hosts.find(({ name }) => name === stolenHost);
    if (stolen !== undefined) {
      for (let count = random.int(1, 8); count > 0; count--)
        sometime(() => commit(random.pick(THEFTS), stolen, around));
    }
    if (isAccountTaken) {
      for (let count = random.int(1, 8); count > 0; count--)
        sometime(() => tamper(random.pick(TAMPERINGS), this.#hosts, around, this));
    }
  }

  #interrupt(): void {
    const kind = this.#random.int(0, 3);
    this.tell(`the mover is ${["killed", "killed", "stopped", "aborted"][kind]}`);
    if (kind <= 1) this.mover?.connection.kill();
    else if (kind === 2) this.mover?.stop();
    else this.mover?.abort();
  }

  #note(line: string, isStep: boolean): void {
    const text = `${((this.clock.nowMs - START_MS) / 1000).toFixed(3).padStart(9)} s  ${line}`;
    this.#digest.update(text);
    if (isStep || this.#trace) this.#steps.push(text);
  }

  #verdict(): Verdict {
    const { seed, inspector, requests, vault, clock } = this;
    return {
      seed,
      violations: inspector.violations,
      steps: [describe(this.plan), ...this.#steps],
      digest: this.#digest.digest("hex"),
      requests,
      objects: vault.objects.size,
      virtualMs: clock.nowMs - START_MS,
    };
  }
}

function describe({ settings, ...plan }: Plan): string {
  const { hosts: _, ...others } = settings;
  return JSON.stringify({ ...plan, ...others });
}
