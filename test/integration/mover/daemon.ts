/** A mover that runs as a daemon, and what it logs as it happens. */
import { createInterface } from "node:readline";
import type { Running, World } from "../../support/world.ts";

export type LogLine = Readonly<Record<string, unknown>>;

export interface Daemon extends Running {
  /** Resolves with the first line of this event that was or will be logged; rejects when the mover ends without it. */
  logged(event: string, matches?: (line: LogLine) => boolean): Promise<LogLine>;
}

export function startDaemon(
  world: World,
  args: readonly string[] = ["run"],
  env: Readonly<Record<string, string>> = {},
): Daemon {
  const running = world.start("mover", args, { env });
  const { stderr } = running.process;
  if (stderr === null) throw new Error("standard error is a pipe");
  const seen: LogLine[] = [];
  const waiting = new Set<{ matches: (line: LogLine) => boolean; resolve: (line: LogLine) => void }>();
  createInterface(stderr).on("line", (text) => {
    if (!text.startsWith("{")) return;
    const line = JSON.parse(text) as LogLine; // pino writes objects only
    seen.push(line);
    for (const one of waiting) {
      if (!one.matches(line)) continue;
      waiting.delete(one);
      one.resolve(line);
    }
  });
  return {
    ...running,
    async logged(event, matches = () => true) {
      const isIt = (line: LogLine): boolean => line.event === event && matches(line);
      const found = seen.find(isIt);
      if (found !== undefined) return found;
      const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
      waiting.add({ matches: isIt, resolve });
      const timer = setTimeout(
        () => reject(new Error(`no ${event} within 30 s; ${JSON.stringify(seen.at(-1))}`)),
        30_000,
      );
      void running.ended.then(({ exit, stderr: text }) =>
        reject(new Error(`ended with ${exit} without ${event}: ${text}`)),
      );
      return promise.finally(() => clearTimeout(timer));
    },
  };
}
