import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { runProgram } from "../../../shared/cli.ts";
import { AirlockError } from "../../../shared/errors.ts";
await runProgram({ name: "airlock-test", version: "1.2.3", description: "d", defaultConfig: "/etc/x.yaml", process, commands: (program, io) => {
  program.command("show").argument("[x...]").action(async (x: string[]) => { io.print({ config: io.configFile, x }, () => `config ${io.configFile}`); });
  program.command("fail").action(async () => { throw new AirlockError("access-denied", "no", { subject: "a\u001b[31m", remedy: "do" }); });
  program.command("bug").action(async () => { void Promise.reject(new Error("oops")); await sleep(1000, null, {signal: io.abort}); });
  program.command("hang").action(async () => { await new Promise(() => {}); });
  program.command("log").action(async () => { io.log.info("started"); });
  program.command("many").action(async () => { for (let i = 0; i < 1e5 && !io.abort.aborted; i++) { io.print(i, String(i)); if (i % 100 === 0) await sleep(0); } io.abort.throwIfAborted(); });
  program.command("drain").action(async () => { io.print(1, "ready"); await sleep(60000, null, { signal: AbortSignal.any([io.drain]) }).catch(() => io.print(2, "draining")); await sleep(60000, null, { signal: io.abort }); });
} });
