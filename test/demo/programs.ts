import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const STEP_MS = 45_000;

export type Role = "uploader" | "mover" | "operator";
export type LogLine = Readonly<Record<string, unknown>>;

export interface Daemon {
  /** The first `count` log lines of that kind, however early they came. */
  waitForLines(isWanted: (line: LogLine) => boolean, count: number): Promise<readonly LogLine[]>;
  /** SIGTERM, and waits for its orderly end. */
  stop(): Promise<void>;
}

/** The three programs as processes of their own, none of which outlives this. */
export class Programs implements AsyncDisposable {
  readonly #home: string;
  readonly #signal: AbortSignal;
  readonly #children = new Set<ChildProcess>();
  /** Where each role's configuration is, once it is made. */
  readonly configs = new Map<Role, string>();

  constructor(home: string, signal: AbortSignal) {
    this.#home = home;
    this.#signal = signal;
  }

  /** @throws {Error} with what the program said, when it exits with anything but 0 */
  async run(
    role: Role,
    args: readonly string[],
    config: string,
  ): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const child = this.#spawn(process.execPath, [
      join(root, role, "main.ts"),
      "--config",
      config,
      "--log-level",
      "warn",
      ...args,
    ]);
    return this.#collect(child, `${role} ${args.join(" ")}`);
  }

  start(role: Role, args: readonly string[]): Daemon {
    const config = this.configs.get(role) ?? "";
    const child = this.#spawn(process.execPath, [join(root, role, "main.ts"), "--config", config, "--json", ...args]);
    const lines: LogLine[] = [];
    let stderr = "";
    const arrivals = new EventTarget();
    createInterface({ input: child.stderr ?? process.stdin }).on("line", (line) => {
      stderr = `${stderr}${line}\n`.slice(-4000);
      if (line.startsWith("{")) lines.push(JSON.parse(line) as LogLine); // what a log line is
      arrivals.dispatchEvent(new Event("line"));
    });
    const ended = once(child, "close").then(([code]: unknown[]) => code);
    return {
      async waitForLines(isWanted, count) {
        const wanted = (): LogLine[] => lines.filter(isWanted).slice(0, count);
        const deadline = AbortSignal.timeout(STEP_MS);
        while (wanted().length < count) {
          const died = await Promise.race([
            once(arrivals, "line", { signal: deadline }),
            ended.then(() => "died" as const),
          ]);
          if (died === "died") throw new Error(`the ${role} ended early:\n${stderr}`);
        }
        return wanted();
      },
      async stop() {
        child.kill("SIGTERM");
        const code = await ended;
        if (code !== 0) throw new Error(`the ${role} ended with ${String(code)}:\n${stderr}`);
      },
    };
  }

  /** Runs a command in the checkout, without a shell. */
  async digestOfOutput([program = "", ...args]: readonly string[]): Promise<string> {
    const { stdout } = await this.#collect(this.#spawn(program, args), program);
    return createHash("sha256").update(stdout).digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      Array.from(this.#children, async (child) => {
        const ended = once(child, "close");
        child.kill("SIGKILL");
        await ended;
      }),
    );
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: this.#home },
      stdio: ["ignore", "pipe", "pipe"],
      signal: this.#signal,
    });
    this.#children.add(child);
    child.once("close", () => this.#children.delete(child));
    return child;
  }

  async #collect(child: ChildProcess, what: string): Promise<{ stdout: string; stderr: string }> {
    let [stdout, stderr] = ["", ""];
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const closed: unknown[] = await once(child, "close", { signal: AbortSignal.timeout(STEP_MS) });
    const [code] = closed;
    if (code !== 0) throw new Error(`${what} ended with ${String(code)}:\n${stderr}${stdout}`);
    return { stdout, stderr };
  }
}
