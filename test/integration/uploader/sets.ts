/** A host with sets: its configuration, and what is to be waited for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { createServer } from "node:http";
import { startWorld, type Running, type World } from "../../support/world.ts";

/** @param sets as the configuration has them, below `sets:` */
export async function startHost(sets: string, more = ""): Promise<World> {
  const world = await startWorld();
  await appendFile(world.uploaderConfig("web1"), `compress: none\njitter: 0s\n${more}sets:\n${sets}\n`);
  return world;
}

export interface LogLine {
  readonly event: string;
  readonly set?: string;
  readonly code?: string;
  readonly line?: string;
  readonly key?: string;
  readonly planned?: string | null;
}

export function eventsOf(stderr: string): LogLine[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as LogLine);
}

/** What programs have logged since they were first asked about, and who waits for more. */
const logs = new WeakMap<Running, { text: string; hasEnded: boolean; more: PromiseWithResolvers<void> }>();

/**
 * Resolves with the first such line of a program's log; fails when the program ends without. To be asked first right
 * after its start.
 */
export async function waitForEvent(running: Running, isIt: (line: LogLine) => boolean): Promise<LogLine> {
  const log = logs.get(running) ?? followLog(running);
  for (;;) {
    const { promise } = log.more;
    const { hasEnded } = log;
    const found = eventsOf(log.text.slice(0, log.text.lastIndexOf("\n") + 1)).find(isIt);
    if (found !== undefined) return found;
    if (hasEnded) throw new Error(`the program ended before that:\n${log.text}`);
    await promise;
  }
}

function followLog(running: Running) {
  const log = { text: "", hasEnded: false, more: Promise.withResolvers<void>() };
  const tell = (): void => {
    const former = log.more;
    log.more = Promise.withResolvers();
    former.resolve();
  };
  logs.set(running, log);
  running.process.stderr?.on("data", (chunk: unknown) => {
    log.text += String(chunk);
    tell();
  });
  running.process.once("close", () => {
    log.hasEnded = true;
    tell();
  });
  return log;
}

export interface Told {
  readonly path: string;
  readonly body: string;
}

export interface Receiver extends AsyncDisposable {
  readonly origin: string;
  readonly told: readonly Told[];
}

/** Takes notifications. */
export async function startReceiver(): Promise<Receiver> {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => (body += text));
    request.on("end", () => {
      told.push({ path: request.url ?? "", body });
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    told,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
