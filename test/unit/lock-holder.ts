/** Takes the lock of the folder in its first argument, says so, and keeps it; `process-lock.test.ts` runs it. */
import { spawn } from "node:child_process";
import { lockFolder } from "../../shared/process-lock.ts";

const [, , folder = "", withChild] = process.argv;
await lockFolder(folder, process.pid);
// a backup command that outlives its parent
const child = withChild === undefined ? null : spawn("sleep", ["60"], { stdio: "ignore", detached: true });
process.stdout.write(`locked ${child?.pid ?? ""}\n`);
setInterval(() => undefined, 60_000);
