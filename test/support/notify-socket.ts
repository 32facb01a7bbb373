/** systemd's end of its notification protocol: a unix datagram socket, which Node.js has none of. Python has. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Prints each datagram as a line of JSON. Descriptors that come along (systemd-notify's barrier) are let go. */
const LISTENER = `
import json, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    print(json.dumps(listener.recv(4096).decode()), flush=True)
`;

export interface NotifySocket extends AsyncDisposable {
  /** For `NOTIFY_SOCKET`. */
  readonly path: string;
  /** All messages so far, without barriers. */
  readonly messages: readonly string[];
  /** Resolves with the first message, from now on or before, that matches; rejects after 20 s. */
  received(pattern: RegExp): Promise<string>;
}

export async function listenForNotifications(): Promise<NotifySocket> {
  const folder = await mkdtemp(join(tmpdir(), "airlock-notify-"));
  const path = join(folder, "socket");
  const child = spawn("python3", ["-c", LISTENER, path], { stdio: ["ignore", "pipe", "inherit"] });
  const messages: string[] = [];
  const watchers = new Set<() => void>();
  const { promise: listening, resolve: isListening, reject } = Promise.withResolvers<void>();
  child.once("error", reject);
  createInterface(child.stdout).on("line", (line) => {
    const message = JSON.parse(line) as string; // the listener prints strings
    if (message === "listening") return isListening();
    if (message === "BARRIER=1") return;
    messages.push(message);
    for (const watcher of watchers) watcher();
  });
  await listening;
  return {
    path,
    messages,
    received: (pattern) =>
      new Promise((resolve, fail) => {
        const timer = setTimeout(() => {
          watchers.delete(look);
          fail(new Error(`no message like ${pattern} within 20 s: ${JSON.stringify(messages)}`));
        }, 20_000);
        const look = (): void => {
          const found = messages.find((message) => pattern.test(message));
          if (found === undefined) return;
          watchers.delete(look);
          clearTimeout(timer);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
