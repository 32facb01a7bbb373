import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAirlockError } from "../../../shared/errors.ts";
import { silentLog, type Fields, type Log } from "../../../shared/log.ts";
import { readCommand } from "../../../uploader/command-source.ts";

function recordingLog(lines: Fields[]): Log {
  return {
    ...silentLog,
    info: (_, fields = {}) => void lines.push(fields),
    warn: (_, fields = {}) => void lines.push(fields),
  };
}

function run(script: string, options: { log?: Log; signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
  const { log = silentLog, signal = new AbortController().signal } = options;
  return readCommand({ command: ["sh", "-c", script], stdin: "ignore", env: process.env, log, signal });
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
    const source = readCommand({ command, stdin: "ignore", env: process.env, log: silentLog, signal });
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
});
