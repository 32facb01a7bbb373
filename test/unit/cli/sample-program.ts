/** A program with a command for each way in which one can end; `cli.test.ts` runs it. */
import { writeFileSync } from "node:fs";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { runProgram, type Io } from "../../../shared/cli.ts";
import { AirlockError } from "../../../shared/errors.ts";

const LONG_MS = 60_000;

await runProgram({
  name: "airlock-sample",
  version: "1.2.3",
  description: "a sample",
  defaultConfig: "/etc/airlock/sample.yaml",
  process,
  commands: (program, io) => {
    program
      .command("show")
      .argument("[words...]")
      .action(async (words: string[]) => show(io, words));
    program.command("fail").action(() => Promise.reject(denied()));
    program.command("reject").action(async () => {
      void Promise.reject(new Error("nobody awaits this"));
      await sleep(LONG_MS, null, { signal: io.abort });
    });
    program.command("throw").action(async () => {
      globalThis.setImmediate(() => {
        throw new Error("nobody catches this");
      });
      await sleep(LONG_MS, null, { signal: io.abort });
    });
    program.command("hang").action(() => new Promise<void>(() => undefined));
    program.command("stale").action(async () => {
      io.print({ stale: true }, "stale");
      io.exitWith(5);
    });
    program.command("flood").action(async () => flood(io));
    program.command("drain").action(async () => drain(io));
    program.command("wait").action(async () => {
      io.print({ waiting: true }, "waiting");
      await sleep(LONG_MS, null, { signal: io.abort });
    });
    program.command("deaf").action(async () => {
      io.print({ waiting: true }, "waiting");
      await sleep(LONG_MS);
    });
    program
      .command("write")
      .argument("<file>")
      .action(async (file: string) => writeFileSync(file, ""));
    program.addCommand(new Command("added").action(() => Promise.reject(denied())));
  },
});

async function show(io: Io, words: readonly string[]): Promise<void> {
  io.log.info("started");
  io.print({ config: io.configFile, words }, () => `config ${io.configFile}, words ${words.join(" ")}`);
}

function denied(): AirlockError {
  return new AirlockError("access-denied", "the store refused", { subject: "a\u001B[31mb", remedy: "check the key" });
}

async function flood(io: Io): Promise<void> {
  for (let line = 0; ; line += 1) {
    io.abort.throwIfAborted();
    io.print(line, String(line));
    await setImmediate();
  }
}

async function drain(io: Io): Promise<void> {
  const { drain: asked, abort } = io;
  io.print({ state: "running" }, "running");
  await sleep(LONG_MS, null, { signal: asked }).catch(() => io.print({ state: "draining" }, "draining"));
  await sleep(LONG_MS, null, { signal: abort });
}
