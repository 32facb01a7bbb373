/** `npm run servers:install [-- NAME…]`: the servers, tools and peers that tests and benchmarks need, pinned, into the cache folder. */
import { installBenchPeers } from "./bench-peers.ts";
import { withInstallLock } from "./cache.ts";
import { Missing } from "./server.ts";
import { pickServers } from "./servers.ts";
import { TOOL_INSTALLERS } from "./tools.ts";

const servers = pickServers(process.argv.slice(2));
const steps: [string, () => Promise<string>][] = [
  ...servers.map((server): [string, () => Promise<string>] => [server.name, () => server.install()]),
  ...TOOL_INSTALLERS,
  ["mc", installBenchPeers],
];
await withInstallLock(async () => {
  for (const [name, install] of steps) {
    try {
      console.log(`${name}: ${await install()}`);
    } catch (error) {
      const what = error instanceof Missing ? "MISSING" : "FAILED";
      console.error(`${name}: ${what}: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
});
