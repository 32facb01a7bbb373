import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { openCourier, type Message, type Patience } from "../../shared/courier.ts";
import { AirlockError } from "../../shared/errors.ts";
import { realTiming, type Timing } from "../../shared/retry.ts";

const PATIENCE: Patience = { attempts: 3, baseMs: 1_000, capMs: 60_000, timeoutMs: 5_000 };
const SECRET = "/hooks/s3cret?token=hunter2";

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly type: string | undefined;
  readonly agent: string | undefined;
  readonly body: string;
}

/** A service that answers as it is told, and a courier whose waits take no time. */
async function start(answer: (asked: Asked, count: number) => number | null, patience: Partial<Patience> = {}) {
  const asked: Asked[] = [];
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const { "content-type": type, "user-agent": agent } = request.headers;
      asked.push({ method: request.method, url: request.url, type, agent: agent?.replace(/\/.*/, ""), body });
      const status = answer(asked.at(-1) as Asked, asked.length); // it was just pushed
      if (status === null) return;
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {});
      response.end("thank you");
    });
  };
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const waits: number[] = [];
  const timing: Timing = {
    ...realTiming,
    random: () => 0.5,
    sleep: async (durationMs) => {
      waits.push(durationMs);
    },
  };
  const courier = openCourier({ program: "airlock-test", timing, patience: { ...PATIENCE, ...patience } });
  return {
    asked,
    waits,
    origin: `http://127.0.0.1:${port}`,
    send: (message: Partial<Message> = {}, signal = AbortSignal.timeout(20_000)) =>
      courier.send({ address: `http://127.0.0.1:${port}${SECRET}`, method: "POST", content: null, ...message }, signal),
    async [Symbol.asyncDispose]() {
      await courier[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** All that a log could show of an error. */
function textOf(error: unknown): string {
  assert.ok(error instanceof AirlockError);
  const lines = [error.code, error.message, error.subject ?? "", error.remedy ?? ""];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) lines.push(cause.message);
  return lines.join("\n");
}

describe("courier", () => {
  test("a message arrives as it was given, once", async () => {
    await using service = await start(() => 204);
    await service.send({ content: { type: "application/json", text: '{"ä":1}' } });
    await service.send({ method: "GET" });
    assert.deepEqual(service.asked, [
      { method: "POST", url: SECRET, type: "application/json", agent: "airlock-test", body: '{"ä":1}' },
      { method: "GET", url: SECRET, type: undefined, agent: "airlock-test", body: "" },
    ]);
  });

  test("a service that fails for a while is asked again, with waits that grow", async () => {
    await using service = await start((_, count) => (count < 3 ? 503 : 200));
    await service.send();
    assert.equal(service.asked.length, 3);
    assert.deepEqual(service.waits, [500, 1000]);
  });

  test("it is given up after as many attempts as agreed, and the error names the origin alone", async () => {
    await using service = await start(() => 500);
    await assert.rejects(service.send(), (error) => {
      assert.match(textOf(error), /^notify-failed\nthe message was not delivered: it answered 500\n/);
      assert.ok(textOf(error).includes(service.origin));
      assert.doesNotMatch(textOf(error), /s3cret|hunter2/);
      return true;
    });
    assert.equal(service.asked.length, 3);
  });

  for (const status of [302, 400, 403, 404, 410]) {
    test(`what is answered with ${status} is not asked again, and a redirect is not followed`, async () => {
      await using service = await start(() => status);
      await assert.rejects(service.send(), (error) => textOf(error).includes(`it answered ${status}`));
      assert.equal(service.asked.length, 1);
    });
  }

  test("a service that never answers costs each attempt its limit and no more", async () => {
    await using service = await start(() => null, { attempts: 2, timeoutMs: 100 });
    await assert.rejects(service.send(), (error) => textOf(error).includes("no answer within 0.1 s"));
    assert.equal(service.asked.length, 2);
  });

  test("nobody there: the error says so and names the origin alone", async () => {
    const service = await start(() => 200);
    await service[Symbol.asyncDispose]();
    await using courier = openCourier({
      program: "airlock-test",
      timing: realTiming,
      patience: { ...PATIENCE, attempts: 1 },
    });
    const message = { address: `${service.origin}${SECRET}`, method: "GET", content: null } as const;
    await assert.rejects(courier.send(message, AbortSignal.timeout(10_000)), (error) => {
      assert.match(textOf(error), /no connection, or it broke \(ECONNREFUSED\)/);
      assert.doesNotMatch(textOf(error), /s3cret|hunter2/);
      return true;
    });
  });

  test("the caller's signal ends an attempt at once", async () => {
    const ended = new AbortController();
    await using service = await start(() => {
      ended.abort(new AirlockError("interrupted", "enough"));
      return null;
    });
    await assert.rejects(service.send({}, ended.signal), /enough/);
    assert.equal(service.asked.length, 1);
  });
});
