/** Statements without their objects, however many a host makes of them: what they cost, and what becomes of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backlog } from "../../../mover/backlog.ts";
import { Books } from "../../../mover/books.ts";
import { LedgerWriter } from "../../../mover/ledger-writer.ts";
import { Orphans } from "../../../mover/orphans.ts";
import { Releaser } from "../../../mover/release.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { silentLog } from "../../../shared/log.ts";
import { STATEMENT_SUFFIX } from "../../../shared/names.ts";
import { formatStatement, signStatement, type Statement } from "../../../shared/statement.ts";
import type { DropZoneSource, LedgerStore, StoredVersion } from "../../../shared/stores.ts";
import { chainOf, entryOf, policy, START_MS, statementOf } from "./book-entries.ts";

const key = generateSigningKey();
const never = new AbortController().signal;
const MINUTE = 60_000;
const OLD_MS = START_MS - 2 * MINUTE;

interface Stage {
  readonly orphans: Orphans;
  readonly backlog: Backlog;
  readonly removed: string[];
  /** Requests to the drop-zone so far. */
  requests: number;
  /** Segments that were read. */
  reads: number;
  nowMs: number;
  readonly ledger: LedgerWriter;
}

/** @param gate every request to the drop-zone waits for it */
async function openStage(statements: readonly Statement[], once: boolean, gate = Promise.resolve()): Promise<Stage> {
  const bodies = new Map(
    statements.map((one) => [one.key + STATEMENT_SUFFIX, Buffer.from(formatStatement(signStatement(one, key)))]),
  );
  const segments = new Map<number, Uint8Array>();
  const asked = async (): Promise<void> => {
    stage.requests++;
    await gate;
  };
  const dropZone: DropZoneSource = {
    bucket: "b",
    versioned: true,
    async listPage({ prefix }) {
      await asked();
      const found = versionsOf(statements).filter((version) => version.key.startsWith(prefix));
      return { versions: found, deleteMarkers: [], next: null };
    },
    async openVersion(version) {
      await asked();
      const bytes = bodies.get(version.key) ?? Buffer.alloc(0);
      const body = (async function* () {
        yield await Promise.resolve(bytes);
      })();
      const opened = { sizeBytes: bytes.length, attributes: { metadata: new Map<string, string>() }, tagCount: 0 };
      return { ...opened, etag: version.etag, versionId: version.versionId, body, close: () => undefined };
    },
    readTags: () => Promise.reject(new Error("nobody asks")),
    async deleteVersions(versions) {
      await asked();
      for (const version of versions) stage.removed.push(version.key);
      return versions.map((version) => ({ version, outcome: "gone" }));
    },
  };
  const store: LedgerStore = {
    async *listSegments(after) {
      for (const number of segments.keys()) if (number > after) yield await Promise.resolve(number);
    },
    async readSegment(number) {
      stage.reads++;
      const bytes = segments.get(number);
      if (bytes === undefined) throw new AirlockError("not-found", "it is not there");
      return bytes;
    },
    async createSegment(number, bytes) {
      segments.set(number, bytes);
    },
  };
  const hosts = new Map([["web1", policy({ publicKeys: [key.public] })]]);
  const timing = { now: () => stage.nowMs, random: () => 0.5, sleep: () => Promise.resolve() };
  const backlog = new Backlog(timing);
  const ledger = await LedgerWriter.open({
    mover: "m",
    key,
    store,
    timing,
    log: silentLog,
    signal: never,
    books: new Books(hosts),
  });
  const tools = { mover: "m", dropZone, ledger, ledgerStore: store, hosts, backlog, timing, log: silentLog, once };
  const orphans = new Orphans({
    ...tools,
    releaser: new Releaser(dropZone, timing),
    missingAfterMs: () => 60 * MINUTE,
  });
  const stage: Stage = { orphans, backlog, removed: [], requests: 0, reads: 0, nowMs: START_MS, ledger };
  return stage;
}

function versionsOf(statements: readonly Statement[], atMs = OLD_MS): StoredVersion[] {
  return statements.map((one) => ({
    key: one.key + STATEMENT_SUFFIX,
    versionId: "v1",
    etag: '"e"',
    sizeBytes: 500,
    lastModified: new Date(atMs),
    storageClass: "STANDARD",
  }));
}

/** Each the first of an epoch that nobody knows. */
function strangers(count: number): Statement[] {
  return Array.from({ length: count }, (_, index) =>
    statementOf(1, null, { epoch: String(index).padStart(22, "e"), key: keyOf(index) }),
  );
}

function keyOf(index: number): string {
  return `web1/files/2026/11/21/120000Z-${String(index).padStart(26, "b")}/f`;
}

test("a flood of them keeps no sweep waiting: they are looked at on the side", async () => {
  const gate = Promise.withResolvers<void>();
  const statements = strangers(64);
  const stage = await openStage(statements, false, gate.promise);
  await stage.orphans.settle(versionsOf(statements), false, never);
  assert.ok(stage.requests <= 1, `${stage.requests} requests`);
  gate.resolve();
  await stage.orphans.settled();
  stage.backlog.endPass();
  await stage.orphans.settle(versionsOf(statements), false, never);
  stage.backlog.endPass();
  const held = stage.backlog.holds.web1?.["statement-orphaned"] ?? 0;
  assert.ok(held > 0, "and what was looked at is counted");
});

test("in the only pass that there is, all of them are looked at before it ends", async () => {
  const statements = strangers(64);
  const stage = await openStage(statements, true);
  await stage.orphans.settle(versionsOf(statements), true, never);
  stage.backlog.endPass();
  assert.deepEqual(stage.backlog.holds, { web1: { "statement-orphaned": 64 } });
});

test("of a ledger as long as anybody's, no more than some of it is read for them, and not again within a minute", async () => {
  const statements = strangers(200);
  const stage = await openStage(statements, true);
  for (const statement of chainOf(500)) await stage.ledger.append(entryOf(statement, stage.nowMs));
  assert.equal(stage.ledger.head?.segment, 500);
  for (let pass = 0; pass < 5; pass++) {
    await stage.orphans.settle(versionsOf(statements), true, never);
    stage.backlog.endPass();
  }
  assert.ok(stage.reads <= 100, `${stage.reads} segments`);
  assert.deepEqual(stage.removed, []);
});

test("one whose object the ledger has goes without any of it being read, once it has lain there for a minute", async () => {
  const statements = chainOf(3);
  const stage = await openStage(statements, true);
  for (const statement of statements) await stage.ledger.append(entryOf(statement, stage.nowMs));
  await stage.orphans.settle(versionsOf(statements), true, never);
  assert.equal(stage.removed.length, 3);
  assert.equal(stage.reads, 0);
});

test("after a start, one that is seconds old goes where it is older than what the ledger has, and stays where it is not", async () => {
  const statements = chainOf(2);
  const stage = await openStage(statements, true);
  for (const statement of statements) await stage.ledger.append(entryOf(statement, stage.nowMs));
  const [before, after] = statements.flatMap((one, index) => versionsOf([one], stage.nowMs + (index === 0 ? -1 : 1)));
  assert.ok(before !== undefined && after !== undefined);
  await stage.orphans.settle([before, after], true, never);
  assert.deepEqual(stage.removed, [before.key]);
});

test("what goes wrong on the side is the next sweep's failure", async () => {
  const statements = strangers(1);
  const gate = Promise.withResolvers<void>();
  const stage = await openStage(statements, false, gate.promise);
  await stage.orphans.settle(versionsOf(statements), false, never);
  gate.reject(new AirlockError("access-denied", "injected"));
  await stage.orphans.settled();
  await assert.rejects(stage.orphans.settle(versionsOf(statements), false, never), { code: "access-denied" });
});
