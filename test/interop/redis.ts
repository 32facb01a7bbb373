/** A Redis server of its own in a temporary folder, reached by a unix socket alone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { requirePrograms, run } from "./support.ts";

export interface Redis extends AsyncDisposable {
  readonly socket: string;
  command(...args: string[]): Promise<string>;
  /** A digest of all that it holds. */
  content(): Promise<string>;
}

/** @param rdb a snapshot to start from */
export async function startRedis(rdb: string | null = null): Promise<Redis> {
  await requirePrograms(["redis-cli", "--version"], ["redis-check-rdb", "--version"]);
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "airlock-redis-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  if (rdb !== null) await copyFile(rdb, join(folder, "dump.rdb"));
  const socket = join(folder, "socket");
  const settings = [
    "--port",
    "0",
    "--unixsocket",
    socket,
    "--dir",
    folder,
    "--save",
    "",
    "--enable-debug-command",
    "yes",
  ];
  // Debian's redis-tools has the server's program under another name; it goes by the name that it is started with
  const server = spawn("redis-check-rdb", settings, {
    argv0: "redis-server",
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(server, "close");
  stack.defer(async () => {
    server.kill("SIGTERM");
    await ended;
  });
  const lines: string[] = [];
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: server.stdout }).on("line", (line) => {
      lines.push(line);
      if (line.includes("ready to accept connections")) resolve();
    });
  });
  const failed = ended.then(() => {
    throw new Error(`redis-server ended before it was ready: ${lines.slice(-5).join("\n")}`);
  });
  failed.catch(() => undefined); // it also ends when it is told to
  await Promise.race([ready, failed]);
  const command = async (...args: string[]): Promise<string> =>
    (await run("redis-cli", ["-e", "-s", socket, ...args])).stdout;
  const owned = stack.move();
  return {
    socket,
    command,
    content: async () => `${await command("DBSIZE")}${await command("DEBUG", "DIGEST")}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
