/** A drop-zone with a million keys that nobody can move, and honest objects among them: memory stays as it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { DropZoneSource, ListPage, StoredVersion } from "../../../shared/stores.ts";
import { installHooks } from "./hooks.ts";

installHooks();
const { Books } = await import("../../../mover/books.ts");
const { runDaemon } = await import("../../../mover/daemon.ts");
const { LedgerWriter } = await import("../../../mover/ledger-writer.ts");
const { MemoryWindow } = await import("../../../mover/memory.ts");
const { Releaser } = await import("../../../mover/release.ts");
const { AirlockError } = await import("../../../shared/errors.ts");
const { silentLog } = await import("../../../shared/log.ts");
const { formatDropZoneName } = await import("../../../shared/names.ts");
const { inlineStatement, signStatement } = await import("../../../shared/statement.ts");
const { signingKeyOf } = await import("./book.ts");
const { VirtualClock } = await import("./clock.ts");
const { Connection } = await import("./connection.ts");
const { createRandom } = await import("./random.ts");
const { DROP_ZONE, openLedger } = await import("./stores.ts");
const { Vault } = await import("./vault.ts");
const { Weather } = await import("./weather.ts");
const { digestOf, etagOf } = await import("./zone.ts");

const MiB = 1024 * 1024;
const START = new Date("2026-01-01T00:00:00.000Z");
const NO_QUOTA = { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void; // what the flag defines

interface Honest {
  readonly version: StoredVersion;
  readonly bytes: Uint8Array;
  readonly inline: string;
}

function makeHonest(number: number): Honest {
  const bytes = Buffer.from(`honest object ${number}`);
  const token = String(number).padStart(26, "0");
  const key = formatDropZoneName({ host: "web2", set: "etc", at: START, token, name: "file" });
  const sha256 = digestOf(bytes);
  const epoch = "A".repeat(22);
  const prev = number === 1 ? null : "0".repeat(64);
  const facts = { bucket: DROP_ZONE, key, host: "web2", set: "etc", epoch, seq: number, prev, sha256 };
  const signed = signStatement(
    { v: 1, ...facts, size: bytes.length, encoding: [], startedAt: START.toISOString() },
    signingKeyOf("web2"),
  );
  const versionId = `v${number}`;
  const etag = etagOf(bytes, false);
  const version = { key, versionId, etag, sizeBytes: bytes.length, lastModified: START, storageClass: "STANDARD" };
  return { version, bytes, inline: inlineStatement(signed) ?? "" };
}

interface Crowd {
  readonly dropZone: DropZoneSource;
  readonly listed: () => number;
  readonly left: () => number;
}

/** `junk` keys of web1 that are made up as they are listed, and then the honest ones of web2. */
function openCrowd(
  junk: number,
  junkKey: (number: number) => string,
  honest: readonly Honest[],
  connection: InstanceType<typeof Connection>,
): Crowd {
  const waiting = new Map(honest.map((one) => [one.version.key, one]));
  let listed = 0;
  const junkVersion = (number: number): StoredVersion => ({
    key: junkKey(number),
    versionId: `j${number}`,
    etag: '"junk"',
    sizeBytes: 1,
    lastModified: START,
    storageClass: "STANDARD",
  });
  const pageOf = (prefix: string, cursor: string | null, limit: number): ListPage => {
    const first = cursor === null ? (prefix.startsWith("web2/") ? junk : 0) : Number(cursor);
    const end = prefix.startsWith("web1/") ? junk : junk + honest.length;
    if (prefix.length > "web1/".length) return { versions: [], deleteMarkers: [], next: null }; // a statement's
    const versions: StoredVersion[] = [];
    let at = first;
    for (; at < end && versions.length < limit; at++) {
      const one = at < junk ? junkVersion(at) : waiting.get(honest[at - junk]?.version.key ?? "")?.version;
      if (one !== undefined) versions.push(one);
    }
    listed += versions.length;
    return { versions, deleteMarkers: [], next: at < end ? String(at) : null };
  };
  const dropZone: DropZoneSource = {
    bucket: DROP_ZONE,
    versioned: true,
    listPage: async ({ prefix, cursor, limit, signal }) => {
      await connection.wait(20, signal);
      return pageOf(prefix, cursor, limit);
    },
    openVersion: async (version) => {
      const one = waiting.get(version.key);
      const bytes = one?.bytes ?? Buffer.from("j");
      return {
        sizeBytes: bytes.length,
        attributes: { metadata: new Map(one === undefined ? [] : [["airlock", one.inline]]) },
        etag: version.etag,
        versionId: version.versionId,
        tagCount: 0,
        body: (async function* () {
          yield bytes;
        })(),
        close: () => undefined,
      };
    },
    readTags: async () => new Map(),
    deleteVersions: async (versions) =>
      versions.map((version) => {
        waiting.delete(version.key);
        return { version, outcome: "gone" };
      }),
  };
  return { dropZone, listed: () => listed, left: () => waiting.size };
}

interface Scene {
  readonly clock: InstanceType<typeof VirtualClock>;
  readonly connection: InstanceType<typeof Connection>;
}

function openScene(): Scene {
  const clock = new VirtualClock(START.getTime());
  const connection = new Connection({
    clock,
    weather: new Weather(createRandom(1, "weather")),
    random: createRandom(1, "mover"),
    crash: null,
    skewMs: 0,
    onKilled: () => undefined,
    onRequest: () => undefined,
  });
  return { clock, connection };
}

/** Runs the daemon until it has listed so many keys; what it holds on to is measured near the begin and at the end. */
async function live(
  crowd: Crowd,
  keys: number,
  { clock, connection }: Scene,
): Promise<{ grownBytes: number; leftAt: readonly number[] }> {
  const vault = new Vault("mover-a", { willCreate: () => undefined, willRecord: () => undefined });
  const refuse = async (): Promise<never> => {
    throw new AirlockError("unexpected", "no object here is large");
  };
  const policy = { signatures: "required", foreign: false, expect: new Map(), quota: NO_QUOTA } as const;
  const hosts = new Map(["web1", "web2"].map((name) => [name, { ...policy, publicKeys: [signingKeyOf(name).public] }]));
  const [stop, never] = [new AbortController(), new AbortController().signal];
  const { timing } = connection;
  const common = { mover: "mover-a", timing, log: silentLog };
  const store = openLedger(connection, vault);
  const books = new Books(hosts);
  const ledger = await settle(
    LedgerWriter.open({ ...common, key: signingKeyOf("mover-a"), store, books, signal: never }),
    clock,
  );
  const running = runDaemon({
    ...common,
    dropZone: crowd.dropZone,
    vault: {
      bucket: "acme-vault",
      createObject: async () => "v",
      beginUpload: refuse,
      uploadPart: refuse,
      completeUpload: refuse,
      abortUpload: refuse,
    },
    ledger,
    ledgerStore: store,
    releaser: new Releaser(crowd.dropZone, timing),
    memory: new MemoryWindow(64 * MiB),
    hosts,
    concurrency: 32,
    pollMs: 1000,
    once: false,
    drain: stop.signal,
    abort: never,
    publish: async () => undefined,
    pid: 1,
  });
  const leftAt: number[] = [];
  let beforeBytes = 0;
  for (const share of [0.02, 1]) {
    await clock.runUntil(() => crowd.listed() >= keys * share, Infinity);
    leftAt.push(crowd.left());
    collectGarbage();
    const usedBytes = process.memoryUsage().heapUsed;
    if (share < 1) beforeBytes = usedBytes;
    else {
      stop.abort();
      await settle(running, clock);
      return { grownBytes: usedBytes - beforeBytes, leftAt };
    }
  }
  throw new Error("not reached");
}

/** Awaits what only the clock can bring about. */
async function settle<T>(promise: Promise<T>, clock: InstanceType<typeof VirtualClock>): Promise<T> {
  let done = false;
  void promise.finally(() => (done = true));
  await clock.runUntil(() => done, Infinity);
  return promise;
}

test("a million keys that are held by their names: flat memory, and honest objects are not kept waiting", async () => {
  const honest = Array.from({ length: 2_000 }, (_, index) => makeHonest(index + 1));
  const scene = openScene();
  const junkKey = (number: number): string => `web1/junk-${String(number).padStart(7, "0")}`;
  const crowd = openCrowd(1_000_000, junkKey, honest, scene.connection);
  const { grownBytes, leftAt } = await live(crowd, 1_000_000, scene);
  assert.equal(leftAt[0], 0, "the honest ones are moved before 30,000 of the others have been listed");
  assert.ok(grownBytes < 16 * MiB, `${grownBytes} bytes more`);
});

test("twenty thousand objects that each cost requests to refuse: bounded memory, and honest objects are not kept waiting", async () => {
  const honest = Array.from({ length: 200 }, (_, index) => makeHonest(index + 1));
  const scene = openScene();
  const junkKey = (number: number): string => `web1/etc/2026/01/01/000000Z-${String(number).padStart(26, "0")}/junk`;
  const crowd = openCrowd(20_000, junkKey, honest, scene.connection);
  const { grownBytes, leftAt } = await live(crowd, 60_000, scene);
  assert.equal(leftAt.at(-1), 0);
  assert.ok(grownBytes < 16 * MiB, `${grownBytes} bytes more`);
});
