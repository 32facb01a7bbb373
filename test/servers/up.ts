/** `npm run servers:up [-- NAME…]`: starts servers and leaves them running until `npm run servers:down`. */
import { join } from "node:path";
import { runsFolder } from "./cache.ts";
import { findServerThatIsUp, startServer, stopRun } from "./real-server.ts";
import { pickServers } from "./servers.ts";

for (const server of pickServers(process.argv.slice(2))) {
  let running = await findServerThatIsUp(server);
  if (running === null) {
    // What a killed `up` or a reboot left behind.
    await stopRun(join(runsFolder(), server.name));
    running = await startServer(server, true);
  }
  console.log(`${server.name}: drop-zone ${running.dropZone.endpoint}, vault ${running.vault.endpoint}`);
}
console.log(`The accounts' keys are in ${join(runsFolder(), "<server>", "state.json")}.`);
