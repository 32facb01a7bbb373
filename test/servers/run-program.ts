import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly cwd?: string;
}

/** Runs a program to its end and returns its stdout; an exit other than 0 throws with the end of what it printed. */
export async function runProgram(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  try {
    const { stdout } = await run(command, args, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const printed = error instanceof Error && "stderr" in error ? String(error.stderr).trim().slice(-1_000) : "";
    throw new Error(`${command} ${args[0] ?? ""} failed: ${printed || String(error)}`, { cause: error });
  }
}

/** Whether the program is there and can be started at all. */
export async function canRun(command: string, args: readonly string[]): Promise<boolean> {
  try {
    await runProgram(command, args);
    return true;
  } catch {
    return false;
  }
}
