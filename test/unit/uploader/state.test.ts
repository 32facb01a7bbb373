import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { isAirlockError } from "../../../shared/errors.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { signStatement, statementDigest, type SignedStatement } from "../../../shared/statement.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { openState, type ChainHead, type UploaderState } from "../../../uploader/state.ts";

const key = generateSigningKey();
const SHA256 = "0".repeat(64);
const AT = new Date("2026-11-21T02:15:00.000Z");

function sign(head: ChainHead, objectKey = "web1/etc/x"): SignedStatement {
  const { epoch, seq, digest } = head;
  const object = { bucket: "b", key: objectKey, host: "web1", set: "etc", size: 1, sha256: SHA256, encoding: [] };
  return signStatement({ v: 1, ...object, epoch, seq: seq + 1, prev: digest, startedAt: AT.toISOString() }, key);
}

describe("openState", () => {
  let folder: string;
  let spoolFolder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "airlock-state-"));
  });
  after(() => rm(folder, { recursive: true }));

  let count = 0;
  const fresh = (): void => void (spoolFolder = join(folder, `spool-${count++}`));
  const open = (owner = ownerOf(process.pid), host = "web1"): UploaderState =>
    openState({ spoolFolder, bucket: "b", host, owner });
  /** A process that has ended. */
  const GONE = ownerOf(2 ** 22 - 1);

  it("counts from 1 and chains each statement to the one before, over restarts", () => {
    fresh();
    const issued: SignedStatement[] = [];
    for (let run = 0; run < 4; run++) {
      using state = open();
      issued.push(state.issue((head) => sign(head)));
    }
    assert.deepEqual(
      issued.map(({ statement }) => statement.seq),
      [1, 2, 3, 4],
    );
    assert.equal(new Set(issued.map(({ statement }) => statement.epoch)).size, 1);
    assert.equal(issued[0]?.statement.prev, null);
    for (const [index, { statement }] of issued.entries()) {
      const former = issued[index - 1];
      if (former !== undefined) assert.equal(statement.prev, statementDigest(former.statement));
    }
  });

  it("gives no number out twice when several processes take them at once", async () => {
    fresh();
    const worker = fileURLToPath(new URL("./issue-many.ts", import.meta.url));
    const children = Array.from({ length: 4 }, () => fork(worker, [spoolFolder, "25"], { stdio: "inherit" }));
    for (const [code] of await Promise.all(children.map((child) => once(child, "exit")))) assert.equal(code, 0);
    using state = open();
    assert.equal(state.readHead()?.seq, 100);
    assert.equal(state.countUnpublished(), 100);
    const rows = state.listUnpublished(1000);
    assert.equal(rows.length, 100);
    let prev: string | null = null;
    for (const [index, { seq, envelope }] of rows.entries()) {
      const { statement } = JSON.parse(envelope) as SignedStatement;
      assert.equal(seq, index + 1);
      assert.equal(statement.seq, index + 1);
      assert.equal(statement.prev, prev);
      prev = statementDigest(statement);
    }
    assert.equal(state.readHead()?.digest, prev);
  });

  it("gives out nothing when signing fails", () => {
    fresh();
    using state = open();
    assert.throws(() =>
      state.issue(() => {
        throw new Error("no key");
      }),
    );
    assert.equal(state.readHead(), null);
    assert.equal(state.issue((head) => sign(head)).statement.seq, 1);
  });

  it("refuses a statement that does not continue the chain", () => {
    fresh();
    using state = open();
    assert.throws(() => state.issue((head) => sign({ ...head, seq: head.seq + 1 })), TypeError);
    assert.equal(state.readHead(), null);
  });

  it("leaves the statements of running processes alone, and hands over those of ended ones as they were signed", () => {
    fresh();
    using mine = open();
    using theirs = open(GONE);
    mine.issue((head) => sign(head, "web1/etc/mine"));
    const left = theirs.issue((head) => sign(head, "web1/etc/theirs"));
    const rows = mine.listUnpublished(10);
    assert.deepEqual(
      rows.map(({ key: objectKey }) => objectKey),
      ["web1/etc/theirs"],
    );
    assert.deepEqual(JSON.parse(rows[0]?.envelope ?? ""), left);
    for (const row of rows) mine.forgetUnpublished(row);
    assert.deepEqual(mine.listUnpublished(10), []);
    assert.equal(mine.countUnpublished(), 1);
  });

  it("remembers the last success of each set, and nothing of what failed", () => {
    fresh();
    using state = open();
    const signed = state.issue((head) => sign(head));
    assert.deepEqual(state.listSuccesses(), []);
    state.markPublished(signed, AT);
    state.markPublished(
      state.issue((head) => sign(head, "web1/etc/gone")),
      null,
    );
    const success = { set: "etc", at: AT.toISOString(), key: "web1/etc/x", sizeBytes: 1, sha256: SHA256, seq: 1 };
    assert.deepEqual(state.listSuccesses(), [success]);
    assert.equal(state.countUnpublished(), 0);
  });

  it("begins a new epoch at 1, and keeps hosts apart", () => {
    fresh();
    using state = open();
    const { epoch } = state.issue((head) => sign(head)).statement;
    const head = state.startEpoch();
    assert.notEqual(head.epoch, epoch);
    assert.match(head.epoch, /^[A-Za-z0-9_-]{22}$/);
    const { statement } = state.issue((next) => sign(next));
    assert.deepEqual([statement.epoch, statement.seq, statement.prev], [head.epoch, 1, null]);
    using other = open(GONE, "web2");
    assert.equal(other.readHead(), null);
  });

  it("is for its owner alone", async () => {
    fresh();
    open()[Symbol.dispose]();
    const { stat } = await import("node:fs/promises");
    assert.equal((await stat(spoolFolder)).mode & 0o077, 0);
  });

  it("says what to do about a damaged file", async () => {
    fresh();
    open()[Symbol.dispose]();
    await rm(join(spoolFolder, "state.db-wal"), { force: true });
    await writeFile(join(spoolFolder, "state.db"), "this is no database at all, and long enough to be looked at");
    assert.throws(open, (error) => isAirlockError(error, "config-invalid") && /init/.test(error.remedy ?? ""));
  });

  it("says what to do about a folder that can't be used", async () => {
    spoolFolder = join(folder, "file", "spool");
    await writeFile(join(folder, "file"), "");
    assert.throws(open, (error) => isAirlockError(error, "config-invalid") && /spool/.test(error.remedy ?? ""));
  });
});
