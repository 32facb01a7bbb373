import { moto } from "./moto.ts";
import type { RealServer } from "./real-server.ts";
import { rgw } from "./rgw.ts";
import { versitygw } from "./versitygw.ts";

export const REAL_SERVERS: readonly RealServer[] = [versitygw, rgw, moto];

/** The named servers, or all of them. */
export function pickServers(names: readonly string[]): RealServer[] {
  const known = new Map(REAL_SERVERS.map((server) => [server.name as string, server]));
  return (names.length === 0 ? [...known.keys()] : names).map((name) => {
    const server = known.get(name);
    if (server === undefined) throw new Error(`no server is called ${name}; there are ${[...known.keys()].join(", ")}`);
    return server;
  });
}
