/** A month of a host's life in a minute or two: its agent, its watched folders, power cuts and outages of the store. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, rename, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Fields } from "../../../shared/log.ts";
import type { FaultKind } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";
import type { Said, Told } from "./agent-process.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AGENT_PROCESS = join(import.meta.dirname, "agent-process.ts");

export interface MonthPlan {
  readonly seed: number;
  readonly startMs: number;
  readonly days: number;
}

export interface Month {
  readonly world: World;
  readonly plan: MonthPlan;
  /** While the agent was there, in order. */
  readonly up: readonly { readonly fromMs: number; readonly toMs: number }[];
  /** What the logs said was whole in the spool. */
  readonly spooled: readonly { readonly set: string; readonly sha256: string }[];
  /** By set: how often a run failed by itself. */
  readonly failed: ReadonlyMap<string, number>;
  /** What was moved into the watched folders: name and content. */
  readonly files: { readonly taken: ReadonlyMap<string, string>; readonly kept: ReadonlyMap<string, string> };
  readonly kills: number;
  readonly outages: number;
  /** What happened when, a line each. */
  readonly history: readonly { readonly atMs: number; readonly line: string }[];
}

/** A 32-bit generator (mulberry32) is enough to choose weather by. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FAULTS: readonly FaultKind[] = [
  { kind: "error", when: "before", status: 503, code: "SlowDown" },
  { kind: "error", when: "after", status: 500, code: "InternalError" },
  { kind: "reset", when: "before" },
  { kind: "reset", when: "after" },
];

export async function liveMonth(plan: MonthPlan): Promise<Month> {
  const random = createRandom(plan.seed);
  let nowMs = plan.startMs;
  await using stack = new AsyncDisposableStack();
  let isOver = false;
  // who reads the store afterwards has the real time
  const world = stack.use(await startWorld({ clock: () => (isOver ? Date.now() : nowMs) }));
  const folders = await furnish(world);
  const files = { taken: new Map<string, string>(), kept: new Map<string, string>() };
  const up: { fromMs: number; toMs: number }[] = [];
  const spooled: { set: string; sha256: string }[] = [];
  const failed = new Map<string, number>();
  const history: { atMs: number; line: string }[] = [];
  const record = (what: string): void =>
    void history.push({ atMs: nowMs, line: `${new Date(nowMs).toISOString()} ${what}` });
  const endMs = plan.startMs + plan.days * DAY_MS;
  let kills = 0;
  let outages = 0;
  let storeBackMs = 0;
  let nextOutageMs = nowMs + random() * 2 * DAY_MS;
  let nextFaultMs = nowMs + random() * 12 * HOUR_MS;
  let nextFileMs = nowMs;
  let fileNumber = 0;

  const heed = (event: string, code: string | null, fields: Fields): void => {
    record(`${event} ${code ?? ""} ${String(fields.set ?? "")} ${String(fields.planned ?? fields.seq ?? "")}`);
    if (event === "spooled") spooled.push({ set: String(fields.set), sha256: String(fields.sha256) });
    if (event === "run-failed" && code === "command-failed")
      failed.set(String(fields.set), (failed.get(String(fields.set)) ?? 0) + 1);
  };
  const changeWeather = async (): Promise<void> => {
    if (storeBackMs !== 0 && nowMs >= storeBackMs) {
      await world.server.comeUp();
      record("the store is back");
      storeBackMs = 0;
    }
    if (storeBackMs === 0 && nowMs >= nextOutageMs && nowMs < endMs) {
      await world.server.goDown();
      outages++;
      record("the store is gone");
      storeBackMs = nowMs + (random() < 0.3 ? 30 * random() : 3 * random()) * HOUR_MS;
      nextOutageMs = storeBackMs + random() * 3 * DAY_MS;
    }
    if (nowMs >= nextFaultMs && nowMs < endMs) {
      const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? { kind: "reset", when: "after" };
      world.server.faults.add({
        bucket: DROP_ZONE,
        nth: 1 + Math.floor(random() * 4),
        times: 1 + Math.floor(random() * 3),
        fault,
      });
      nextFaultMs = nowMs + random() * 12 * HOUR_MS;
    }
  };
  const moveFiles = async (): Promise<void> => {
    for (; nextFileMs <= Math.min(nowMs, endMs);) {
      nextFileMs += (1 + random() * 8) * HOUR_MS;
      fileNumber++;
      const isKept = random() < 0.5;
      // one name in ten comes again, with other content
      const name = `log.${fileNumber % 10 === 0 && isKept ? 1 : fileNumber}`;
      const content = `${plan.seed} file ${fileNumber}\n`.repeat(1 + Math.floor(random() * 50));
      await moveInto(isKept ? folders.keep : folders.take, name, content, nowMs);
      (isKept ? files.kept : files.taken).set(`${name} ${fileNumber}`, content);
    }
    if (nowMs < endMs) await writeFile(join(folders.tree, "now"), `${Math.floor(nowMs / DAY_MS)}\n`);
  };

  while (nowMs < endMs) {
    const isLast = random() < 0.02;
    const killAtMs = nowMs + random() * 3 * DAY_MS;
    const fromMs = nowMs;
    const killAfterRequests = random() < 0.5 ? 1 + Math.floor(random() * 60) : Infinity;
    const agent = startAgent(world, nowMs);
    let requests = 0;
    const stopCounting = world.server.onRequest(() => {
      // after the month it is let be: what waits is to be drained
      if (++requests >= killAfterRequests && nowMs < endMs) agent.process.kill("SIGKILL");
    });
    const randomDelayMs = random() * 30;
    await agent.follow(async (timeMs) => {
      nowMs = timeMs;
      await changeWeather();
      await moveFiles();
      if (nowMs >= endMs) return storeBackMs === 0 && nowMs >= endMs + DAY_MS ? "drain" : "go";
      if (nowMs < killAtMs && !isLast) return "go";
      setTimeout(() => agent.process.kill("SIGKILL"), randomDelayMs);
      return "go";
    }, heed);
    stopCounting();
    up.push({ fromMs, toMs: nowMs });
    if (nowMs >= endMs) continue;
    kills++;
    record("killed");
    // its clock may have been ahead of ours by that, and time does not go back here
    nowMs += 10 * 60_000;
    // mostly a reboot; now and then nobody is there for a day and a half
    nowMs += Math.ceil(random() < 0.2 ? random() * 36 * 60 : random() * 30) * 60_000;
    await changeWeather();
    await moveFiles();
  }
  isOver = true;
  const owned = stack.move();
  return {
    world: { ...world, [Symbol.asyncDispose]: () => owned.disposeAsync() },
    plan,
    up,
    spooled,
    failed,
    files,
    kills,
    outages,
    history,
  };
}

interface Folders {
  readonly take: string;
  readonly keep: string;
  readonly tree: string;
}

/** A set of each kind; what commands write is never the same twice. */
async function furnish(world: World): Promise<Folders> {
  const [take, keep, tree] = [join(world.dir, "take"), join(world.dir, "keep"), join(world.dir, "tree")];
  for (const folder of [take, keep, tree]) await mkdir(folder);
  const counter = join(world.dir, "counter");
  await writeFile(counter, "0\n");
  const unique = "head -c 300 /dev/urandom";
  await appendFile(
    world.uploaderConfig("web1"),
    `compress: none
timeZone: Europe/Berlin
jitter: 5m
sets:
  hourly: { schedule: "7 * * * *", command: [sh, -c, "${unique}"] }
  nightly: { schedule: "30 2 * * *", paths: ["${tree}"] }
  shaky: { schedule: "20 */3 * * *", command: [sh, -c, "n=$(($(cat ${counter}) + 1)); echo $n > ${counter}; ${unique}; test $((n % 3)) -ne 0"] }
  take: { watch: "${take}", after: delete, settle: 20m }
  keep: { watch: "${keep}", after: keep, settle: 20m }
`,
  );
  return { take, keep, tree };
}

/** As logrotate does it: finished elsewhere, then moved. */
async function moveInto(folder: string, name: string, content: string, atMs: number): Promise<void> {
  const made = join(folder, `.${name}`);
  await writeFile(made, content);
  await utimes(made, atMs / 1000, atMs / 1000);
  await rename(made, join(folder, name));
}

interface AgentProcess {
  readonly process: ChildProcess;
  /** Until it ends; `tick` is awaited with each time that it tells. */
  follow(
    tick: (nowMs: number) => Promise<Told["kind"]>,
    heed: (event: string, code: string | null, fields: Fields) => void,
  ): Promise<void>;
}

function startAgent(world: World, nowMs: number): AgentProcess {
  const child = fork(AGENT_PROCESS, [world.uploaderConfig("web1"), String(nowMs)], {
    env: { ...process.env, HOME: world.dir },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "close");
  return {
    process: child,
    async follow(tick, heed) {
      const failure = Promise.withResolvers<never>();
      failure.promise.catch(() => undefined);
      const answer = async (timeMs: number): Promise<void> => {
        const kind = await tick(timeMs);
        if (child.connected) child.send({ kind } satisfies Told, () => undefined);
      };
      child.on("error", () => undefined); // a message to one that was killed meanwhile
      child.on("message", (said: Said) => {
        if (said.kind === "event") heed(said.event, said.code, said.fields);
        else if (said.kind === "time") answer(said.nowMs).catch((error: unknown) => failure.reject(error));
        else if (said.error !== null) failure.reject(new Error(said.error));
      });
      try {
        await Promise.race([ended, failure.promise]);
      } finally {
        child.kill("SIGKILL");
        await ended;
      }
    },
  };
}
