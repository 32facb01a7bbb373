/** `npm run servers:down [-- NAME…]`: ends every server process that was recorded and removes its state. */
import { basename } from "node:path";
import { listRuns, stopRun } from "./real-server.ts";
import { pickServers } from "./servers.ts";

const names = new Set(pickServers(process.argv.slice(2)).map((server) => server.name as string));
for (const run of await listRuns()) {
  const name = basename(run);
  if (!names.has(name.split("-")[0] ?? "")) continue;
  await stopRun(run);
  console.log(`${name}: down`);
}
