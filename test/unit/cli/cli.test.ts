import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const PROGRAM = join(import.meta.dirname, "sample-program.ts");
const TIMEOUT_MS = 30_000;

type Child = ChildProcessByStdio<null, Readable, Readable>;

function start(
  args: readonly string[],
  options: { env?: Record<string, string>; node?: readonly string[] } = {},
): Child {
  return spawn(process.execPath, [...(options.node ?? []), PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...options.env },
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
}

interface Ended {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ended> {
  const child = start(args, options);
  const closed = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await closed;
  return { exit: child.exitCode, signal: child.signalCode, stdout, stderr };
}

test("global options work before and after the command", async () => {
  const before = await run(["--json", "--log-level", "silent", "--config", "/x.yaml", "show", "a", "b"]);
  const behind = await run(["show", "a", "b", "--json", "--log-level", "silent", "--config", "/x.yaml"]);
  assert.deepEqual(before, { exit: 0, signal: null, stdout: '{"config":"/x.yaml","words":["a","b"]}\n', stderr: "" });
  assert.deepEqual(behind, before);
});

test("results go to standard output and logs to standard error", async () => {
  const { exit, stdout, stderr } = await run(["show", "a"]);
  assert.equal(exit, 0);
  assert.equal(stdout, "config /etc/airlock/sample.yaml, words a\n");
  const line: unknown = JSON.parse(stderr);
  assert.ok(typeof line === "object" && line !== null && "event" in line && line.event === "started");
});

test("what follows -- is no option", async () => {
  const { stdout } = await run(["show", "--log-level", "silent", "--", "--json", "-x"]);
  assert.equal(stdout, "config /etc/airlock/sample.yaml, words --json -x\n");
});

test("--help and --version end with 0, on standard output", async () => {
  for (const args of [["--version"], ["show", "--version"]]) {
    assert.deepEqual(await run(args), { exit: 0, signal: null, stdout: "1.2.3\n", stderr: "" });
  }
  const help = await run(["show", "--help"]);
  assert.equal(help.exit, 0);
  assert.equal(help.stderr, "");
  for (const option of ["--config <FILE>", "--json", "--log-level <LEVEL>", "--version", "--help"]) {
    assert.ok(help.stdout.includes(option), option);
  }
});

test("a wrong command line ends with 2 and says where to look", async () => {
  const cases: [string[], string][] = [
    [["--nope"], "unknown option '--nope'"],
    [["shw"], "unknown command 'shw'\n  (Did you mean show?)"],
    [["--log-level", "loud", "show"], "option '--log-level <LEVEL>' argument 'loud' is invalid."],
    [["fail", "extra"], "too many arguments for 'fail'."],
    [["added", "extra"], "too many arguments for 'added'."],
    [["write"], "missing required argument 'file'"],
  ];
  for (const [args, message] of cases) {
    const { exit, stdout, stderr } = await run(args);
    assert.equal(exit, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.ok(stderr.startsWith(`airlock-sample: ${message}`), stderr);
    assert.ok(stderr.endsWith("\n  see airlock-sample --help\n"), stderr);
  }
  const { exit, stderr } = await run([]);
  assert.equal(exit, 2);
  assert.match(stderr, /^Usage: [^]*airlock-sample: no command was given\n/);
});

test("an error is what happened, to what, and what to do; its code decides the exit", async () => {
  for (const command of ["fail", "added"]) {
    const { exit, stdout, stderr } = await run([command]);
    assert.equal(exit, 4);
    assert.equal(stdout, "");
    assert.equal(stderr, "airlock-sample: the store refused (a\\u{1b}[31mb)\n  check the key\n");
  }
});

test("under --json an error is one JSON value on standard output", async () => {
  const failed = await run(["fail", "--json"]);
  assert.equal(failed.exit, 4);
  assert.equal(failed.stderr, "");
  assert.deepEqual(JSON.parse(failed.stdout), {
    error: { code: "access-denied", message: "the store refused", subject: "a\u001B[31mb", remedy: "check the key" },
  });
  const misused = await run(["--nope", "--json"]);
  assert.equal(misused.exit, 2);
  assert.equal(misused.stderr, "");
  assert.match(misused.stdout, /^\{"error":\{"code":"usage",/);
});

test("a command may decide its exit beside its result", async () => {
  assert.deepEqual(await run(["stale", "--json"]), { exit: 5, signal: null, stdout: '{"stale":true}\n', stderr: "" });
});

test("what nobody awaits or catches ends the program with 1 and its message", async () => {
  for (const [command, message] of [
    ["reject", "nobody awaits this"],
    ["throw", "nobody catches this"],
    ["hang", "the command never ended"],
  ] as const) {
    const { exit, stderr } = await run([command]);
    assert.equal(exit, 1);
    assert.equal(stderr, `airlock-sample: ${message}\n`);
  }
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`the first ${signal} drains, the second aborts`, async () => {
    const child = start(["drain"]);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const stderr = text(child.stderr);
    assert.equal((await lines.next()).value, "running");
    child.kill(signal);
    assert.equal((await lines.next()).value, "draining");
    const exited = once(child, "exit");
    child.kill(signal);
    assert.deepEqual(await exited, [1, null]);
    assert.equal(await stderr, `airlock-sample: interrupted by ${signal}\n`);
  });
}

test("the first signal aborts a command that cannot drain", async () => {
  const child = start(["wait"]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "waiting");
  const exited = once(child, "exit");
  child.kill("SIGINT");
  assert.deepEqual(await exited, [1, null]);
});

test("one more signal ends at once what does not listen", async () => {
  const child = start(["deaf"]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "waiting");
  const exited = once(child, "exit");
  // two signals of one kind may arrive as one
  child.kill("SIGINT");
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [1, null]);
});

test("a reader that goes away ends the program without a word", async () => {
  const child = start(["flood"]);
  const stderr = text(child.stderr);
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  child.stdout.destroy();
  assert.deepEqual(await exited, [1, null]);
  assert.equal(await stderr, "");
});

test("files that it makes are for nobody else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-cli-"));
  try {
    assert.equal((await run(["write", join(folder, "file")])).exit, 0);
    assert.equal((await stat(join(folder, "file"))).mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("servers are verified, whatever the environment says", async () => {
  const { exit, stderr } = await run(["show"], { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
  assert.equal(exit, 2);
  assert.match(
    stderr,
    /^airlock-sample: NODE_TLS_REJECT_UNAUTHORIZED=0 turns the verification of servers off\n {2}unset it/,
  );
});

test("no report of stack and environment is written, even when node is told to", async () => {
  const folder = await mkdtemp(join(tmpdir(), "airlock-cli-"));
  try {
    const node = ["--report-on-signal", "--report-uncaught-exception", `--report-directory=${folder}`];
    const child = start(["deaf"], { node });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, "waiting");
    const exited = once(child, "exit");
    child.kill("SIGUSR2"); // what asks node for a report
    assert.deepEqual(await exited, [null, "SIGUSR2"]);
    assert.deepEqual(await readdir(folder), []);
  } finally {
    await rm(folder, { recursive: true });
  }
});
