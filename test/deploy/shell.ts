/** A shell that stays: what a reader types into it, a block after the other; ended with all that it has started. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

const BLOCK_TIMEOUT_MS = 120_000;

export interface ShellOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Shell implements AsyncDisposable {
  readonly #bash: ChildProcess;
  readonly #ended: Promise<unknown>;
  #printed = "";
  #blocks = 0;

  constructor({ cwd, env }: ShellOptions) {
    this.#bash = spawn("bash", [], { cwd, env, stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.#ended = once(this.#bash, "close");
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.#printed += chunk.toString()));
    }
  }

  /** @returns what it printed; throws when a command of it fails */
  async run(commands: string): Promise<string> {
    const mark = `--- block ${++this.#blocks} `;
    const from = this.#printed.length;
    const trap = `trap 'echo "${mark}failed at: $BASH_COMMAND"' ERR`;
    this.#bash.stdin?.write(`${trap}\n${commands}\ntrap - ERR\necho "${mark}done"\n`);
    const signal = AbortSignal.timeout(BLOCK_TIMEOUT_MS);
    while (!this.#printed.includes(`${mark}done`, from)) {
      if (signal.aborted || this.#bash.exitCode !== null) throw new Error(`${commands}\n${this.#printed.slice(from)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const printed = this.#printed.slice(from);
    if (printed.includes(`${mark}failed`)) throw new Error(`${commands}\n${printed}`);
    return printed.slice(0, printed.indexOf(mark));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // the group: gateways that run in the background have the shell's
    if (this.#bash.pid !== undefined && this.#bash.exitCode === null) process.kill(-this.#bash.pid, "SIGKILL");
    await this.#ended;
  }
}
