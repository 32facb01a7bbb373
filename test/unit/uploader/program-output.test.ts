import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAirlockError } from "../../../shared/errors.ts";
import { silentLog, type Fields, type Log } from "../../../shared/log.ts";
import { readCommand, readCommands } from "../../../uploader/command-source.ts";

function recordingLog(lines: Fields[]): Log {
  return {
    ...silentLog,
    info: (_, fields = {}) => void lines.push(fields),
    warn: (_, fields = {}) => void lines.push(fields),
  };
}

function run(script: string, options: { log?: Log; signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
  const { log = silentLog, signal = new AbortController().signal } = options;
  return readCommand({
    command: ["sh", "-c", script],
    stdin: "ignore",
    env: process.env,
    kill: (pid, name) => process.kill(pid, name),
    log,
    signal,
  });
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true; // ESRCH, the only reason for which asking about our own child fails
  }
}

describe("readCommand", () => {
  it("is the command's output when it exits 0", async () => {
    assert.equal(await collect(run("printf hello; exec 1>&-; sleep 0.05")), "hello");
  });

  it("fails after all output when the command exits otherwise", async () => {
    await assert.rejects(collect(run("echo everything; exit 3")), (error) => {
      return isAirlockError(error, "command-failed") && /exited with 3/.test(error.message) && error.subject === "sh";
    });
  });

  it("fails when a signal ended the command", async () => {
    await assert.rejects(collect(run("echo half; kill -KILL $$")), (error) => {
      return isAirlockError(error, "command-failed") && /SIGKILL/.test(error.message);
    });
  });

  it("fails when there is no such program", async () => {
    const command = ["no-such-program-here"] as const;
    const { signal } = new AbortController();
    const source = readCommand({
      command,
      stdin: "ignore",
      env: process.env,
      kill: (pid, name) => process.kill(pid, name),
      log: silentLog,
      signal,
    });
    await assert.rejects(
      collect(source),
      (error) => isAirlockError(error, "command-failed") && /ENOENT/.test(error.message),
    );
  });

  it("logs what the command says, line by line and within bounds", async () => {
    const lines: Fields[] = [];
    const script =
      "echo first >&2; head -c 5000 /dev/zero | tr '\\0' x >&2; echo >&2; i=0; while [ $i -lt 1200 ]; do echo line $i; i=$((i+1)); done >&2";
    await collect(run(script, { log: recordingLog(lines) }));
    assert.equal(lines[0]?.line, "first");
    assert.ok(lines.length <= 1_001, `${lines.length} lines`);
    for (const { line } of lines) assert.ok(typeof line === "string" && line.length <= 1_000);
  });

  it("ends the command when it is told to stop", async () => {
    const stop = new AbortController();
    const iterator = run("echo $$; exec sleep 60", { signal: stop.signal })[Symbol.asyncIterator]();
    const pid = Number(Buffer.from((await iterator.next()).value ?? []).toString());
    stop.abort(new Error("enough"));
    await assert.rejects(iterator.next(), (error) => isAirlockError(error, "interrupted"));
    assert.ok(isGone(pid));
  });

  it("ends the command when nobody reads on", async () => {
    const iterator = run("echo $$; exec sleep 60")[Symbol.asyncIterator]();
    const pid = Number(Buffer.from((await iterator.next()).value ?? []).toString());
    await iterator.return?.();
    assert.ok(isGone(pid));
  });

  it("ends all that the command started when it is told to stop", async () => {
    const stop = new AbortController();
    const script = "sleep 60 & echo $!; trap '' TERM; wait; wait";
    const iterator = run(script, { signal: stop.signal })[Symbol.asyncIterator]();
    const grandchild = Number(Buffer.from((await iterator.next()).value ?? []).toString());
    stop.abort(new Error("enough"));
    await assert.rejects(iterator.next(), (error) => isAirlockError(error, "interrupted"));
    assert.ok(isGone(grandchild));
  });

  it("waits for nobody who got away with the output when it is told to stop", async () => {
    const stop = new AbortController();
    const iterator = run("setsid sleep 60 & echo $!; sleep 60", { signal: stop.signal })[Symbol.asyncIterator]();
    const runaway = Number(Buffer.from((await iterator.next()).value ?? []).toString());
    try {
      stop.abort(new Error("enough"));
      await assert.rejects(iterator.next(), (error) => isAirlockError(error, "interrupted"));
    } finally {
      process.kill(runaway, "SIGKILL");
    }
  });

  it("does not wait for a standard error that is left open", { timeout: 20_000 }, async () => {
    assert.equal(
      await collect(run("(exec 1>&-; exec sleep 30) & echo $!")).then((pid) => process.kill(Number(pid))),
      true,
    );
  });
});

describe("readCommands", () => {
  function runAll(lines: Fields[], ...scripts: string[]): AsyncIterable<Uint8Array> {
    const commands = scripts.map((script) => ["sh", "-c", script] as const);
    const { signal } = new AbortController();
    return readCommands({
      commands,
      env: process.env,
      kill: (pid, name) => process.kill(pid, name),
      log: recordingLog(lines),
      signal,
    });
  }

  it("runs commands in order, and gives what the last one writes", async () => {
    const lines: Fields[] = [];
    const script = "echo one; sleep 0.05; echo two >&2";
    assert.equal(await collect(runAll(lines, script, "echo three")), "three\n");
    assert.deepEqual(
      lines.map(({ line }) => line),
      ["one", "two"],
    );
  });

  it("stops at the first that fails", async () => {
    const lines: Fields[] = [];
    await assert.rejects(collect(runAll(lines, "exit 2", "echo never >&2")), (error) => {
      return isAirlockError(error, "command-failed") && /exited with 2/.test(error.message);
    });
    assert.deepEqual(lines, []);
  });
});
