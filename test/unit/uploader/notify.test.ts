import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { silentLog, type Fields, type Log } from "../../../shared/log.ts";
import { realTiming, type Timing } from "../../../shared/retry.ts";
import { openNotifier, type RunReport } from "../../../uploader/notify.ts";

interface Got {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

type Answer = (response: ServerResponse, nth: number) => void;

interface Receiver extends AsyncDisposable {
  readonly origin: string;
  readonly got: Got[];
  /** Resolves when so many requests have come in. */
  count(requests: number): Promise<void>;
}

async function receive(answer: Answer): Promise<Receiver> {
  const got: Got[] = [];
  const server: Server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => (body += text));
    request.on("end", () => {
      got.push({ path: request.url ?? "", type: request.headers["content-type"] ?? "", body });
      answer(response, got.length);
      server.emit("got");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    got,
    async count(requests) {
      while (got.length < requests) await once(server, "got");
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const ok: Answer = (response) => void response.end("OK");
/** Time in which waits are short, so that all attempts fit into a test. */
const hurried: Timing = { ...realTiming, sleep: (_, signal) => realTiming.sleep(1, signal) };

function open(lines: Fields[] = [], options: { timeLimitMs?: number; attempts?: number } = {}) {
  const log: Log = { ...silentLog, warn: (event, fields = {}) => void lines.push({ event, ...fields }) };
  return openNotifier({ host: "web1", log, timing: hurried, ...options });
}

const NOBODY = { success: null, failure: null, webhook: null };
const success: RunReport = {
  set: "shop",
  outcome: "success",
  code: null,
  message: null,
  startedAt: new Date("2026-11-22T02:15:00Z"),
  endedAt: new Date("2026-11-22T02:16:00Z"),
  bytes: 100,
  key: "web1/shop/key",
  seq: 7,
  sha256: "ab",
  tail: "2026 info run-begun\n2026 info run-done\n",
};
const failure: RunReport = { ...success, outcome: "failure", code: "command-failed", message: "it failed", key: null };

describe("openNotifier", () => {
  it("posts the end of the log as text, to the address of the outcome", async () => {
    await using receiver = await receive(ok);
    await using notifier = open();
    const addresses = {
      ...NOBODY,
      success: `${receiver.origin}/ping/1?x=y`,
      failure: `${receiver.origin}/ping/1/fail`,
    };
    notifier.tell(addresses, success);
    notifier.tell(addresses, failure);
    await notifier.settle(10_000);
    assert.deepEqual(receiver.got.map(({ path }) => path).toSorted(), ["/ping/1/fail", "/ping/1?x=y"]);
    assert.ok(receiver.got.every(({ type, body }) => type.startsWith("text/plain") && body === success.tail));
  });

  it("tells a webhook of both, in JSON", async () => {
    await using receiver = await receive(ok);
    await using notifier = open();
    notifier.tell({ ...NOBODY, webhook: `${receiver.origin}/hook` }, failure);
    await notifier.settle(10_000);
    assert.equal(receiver.got[0]?.type, "application/json");
    assert.deepEqual(JSON.parse(receiver.got[0].body), {
      v: 1,
      host: "web1",
      set: "shop",
      outcome: "failure",
      code: "command-failed",
      message: "it failed",
      startedAt: "2026-11-22T02:15:00.000Z",
      endedAt: "2026-11-22T02:16:00.000Z",
      durationMs: 60_000,
      bytes: 100,
      key: null,
      seq: 7,
      sha256: "ab",
      log: success.tail,
    });
  });

  it("tries again while the receiver fails, and says nothing once it is told", async () => {
    await using receiver = await receive((response, nth) => {
      if (nth === 1) response.socket?.destroy();
      else response.writeHead(nth === 2 ? 500 : nth === 3 ? 429 : 200).end();
    });
    const lines: Fields[] = [];
    await using notifier = open(lines);
    notifier.tell({ ...NOBODY, success: `${receiver.origin}/s` }, success);
    await notifier.settle(10_000);
    assert.equal(receiver.got.length, 4);
    assert.deepEqual(lines, []);
  });

  it("gives up at a refusal, and after so many failures, naming the origin alone", async () => {
    await using receiver = await receive((response, nth) => void response.writeHead(nth === 1 ? 404 : 503).end());
    const lines: Fields[] = [];
    await using notifier = open(lines, { attempts: 3 });
    notifier.tell({ ...NOBODY, success: `${receiver.origin}/hunter2` }, success);
    await notifier.settle(10_000);
    assert.equal(receiver.got.length, 1);
    notifier.tell({ ...NOBODY, webhook: `${receiver.origin}/hunter2?token=hunter2` }, success);
    await notifier.settle(10_000);
    assert.equal(receiver.got.length, 4);
    assert.deepEqual(
      lines.map(({ event, origin, reason }) => [event, origin, reason]),
      [
        ["notify-failed", receiver.origin, "the message was not delivered: it answered 404"],
        ["notify-failed", receiver.origin, "the message was not delivered: it answered 503"],
      ],
    );
    assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
  });

  it("follows no redirect", async () => {
    await using receiver = await receive((response) => void response.writeHead(302, { location: "/elsewhere" }).end());
    const lines: Fields[] = [];
    await using notifier = open(lines);
    notifier.tell({ ...NOBODY, success: `${receiver.origin}/s` }, success);
    await notifier.settle(10_000);
    assert.deepEqual(
      receiver.got.map(({ path }) => path),
      ["/s"],
    );
    assert.equal(lines[0]?.reason, "the message was not delivered: it answered 302");
  });

  it("returns at once while a receiver hangs, and ends that by its time limit", async () => {
    await using receiver = await receive(() => undefined);
    const lines: Fields[] = [];
    await using notifier = open(lines, { timeLimitMs: 1000, attempts: 2 });
    notifier.tell({ ...NOBODY, failure: `${receiver.origin}/f` }, failure);
    assert.equal(receiver.got.length, 0, "nothing is waited for");
    await notifier.settle(10_000);
    assert.equal(receiver.got.length, 2);
    assert.equal(lines.length, 1);
  });

  it("is no obstacle to the end of the program, whatever hangs", async () => {
    await using receiver = await receive(() => undefined);
    const lines: Fields[] = [];
    {
      await using notifier = open(lines);
      notifier.tell({ ...NOBODY, failure: `${receiver.origin}/f` }, failure);
      await receiver.count(1);
      await notifier.settle(10);
    }
    assert.equal(lines[0]?.reason, "stopped");
  });

  it("sends of pings that wait only the last, and every webhook", async () => {
    await using receiver = await receive(ok);
    await using notifier = open();
    const addresses = { ...NOBODY, success: `${receiver.origin}/s`, webhook: `${receiver.origin}/w` };
    for (let seq = 1; seq <= 20; seq++) notifier.tell(addresses, { ...success, seq, tail: `${seq}\n` });
    await notifier.settle(10_000);
    const [pings, hooks] = ["/s", "/w"].map((path) => receiver.got.filter((one) => one.path === path));
    assert.equal(hooks?.length, 20);
    assert.ok(pings !== undefined && pings.length < 10, `${pings?.length} pings`);
    assert.ok(pings.some(({ body }) => body === "20\n"));
  });
});
