/** A program that is asked a line at a time on its standard input, and answers each with a line. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const START_MS = 60_000;

export interface LineProgram extends AsyncDisposable {
  /** What it said when it was ready. */
  readonly greeting: string;
  ask(line: string): Promise<string>;
}

/** Resolves when its first line came. Disposing of it ends its input and waits for its end. */
export async function startLineProgram(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<LineProgram> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2_000)));
  child.stdin.on("error", () => undefined); // its end is what matters, and is looked at
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    const { value, done } = await lines.next();
    clearTimeout(timer);
    if (done === true) throw new Error(`${args.at(-1) ?? command} ended: ${said}`);
    return value;
  };
  return {
    greeting: await next(),
    ask(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await closed;
      clearTimeout(timer);
    },
  };
}
