/** Other people's programs that benchmarks hold Airlock against; age and zstd are in `tools.ts`. */
import { join } from "node:path";
import { installFolder } from "./cache.ts";
import { installGoProgram } from "./install-programs.ts";

/** MinIO's client, a commit by its date: its releases carry no version that Go understands. */
const MC_VERSION = "v0.0.0-20250313080218-cf909e1063a9";

/** Paths to run. */
export const BENCH_PEERS = { mc: join(installFolder("mc", MC_VERSION), "mc") } as const;

export function installBenchPeers(): Promise<string> {
  return installGoProgram("github.com/minio/mc", MC_VERSION, BENCH_PEERS.mc);
}
