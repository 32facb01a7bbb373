/**
 * `npm run test:redteam [-- STAND…] [--rows TEXT]`: every row of the threat model that concerns the mover, tried with the
 * attacker's real credentials against the embedded stores and the real ones, and printed as a matrix. Exits with 1 on a
 * surprise, and when a store can't be run.
 */
import { parseArgs } from "node:util";
import { moto } from "../servers/moto.ts";
import { startEmbedded } from "../servers/embedded.ts";
import { useServer } from "../servers/real-server.ts";
import { rgw } from "../servers/rgw.ts";
import { Missing, type RunningServer } from "../servers/server.ts";
import { versitygw } from "../servers/versitygw.ts";
import { aHost } from "./a-host.ts";
import { bDropZone } from "./b-drop-zone.ts";
import { cVaultBox } from "./c-vault-box.ts";
import { dNetwork } from "./d-network.ts";
import { fAccidents } from "./f-accidents.ts";
import { countSurprises, formatMatrix, type Cell, type Result } from "./matrix.ts";
import type { Row } from "./row.ts";
import { openStand, type Stand } from "./stand.ts";

const ROW_TIMEOUT_MS = 180_000;

type Start = (use: (server: RunningServer) => RunningServer) => Promise<Stand>;

const STANDS: ReadonlyMap<string, Start> = new Map<string, Start>([
  [
    "embedded",
    async (use) => {
      const server = use(await startEmbedded());
      return openStand("embedded", server, server);
    },
  ],
  [
    "versitygw",
    async (use) => {
      const server = use(await useServer(versitygw));
      return openStand("versitygw", server, server);
    },
  ],
  // without create-only writes on versioned buckets it is refused as a vault
  ["rgw", async (use) => openStand("rgw", use(await useServer(rgw)), use(await startEmbedded()))],
  // it takes altered bytes
  ["moto", async (use) => openStand("moto", use(await startEmbedded()), use(await useServer(moto)), "readback")],
]);

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rows: { type: "string" } } });
const names = positionals.length === 0 ? [...STANDS.keys()] : positionals;
const rows = [...aHost, ...bDropZone, ...cVaultBox, ...dNetwork, ...fAccidents].filter(
  ({ attacker, tries }) => values.rows === undefined || `${attacker} ${tries}`.includes(values.rows),
);
const results = rows.map((row) => ({ row, cells: new Map<string, Cell>() }) satisfies Result);
const faults: string[] = [];

for (const name of names) {
  const start = STANDS.get(name);
  if (start === undefined) throw new Error(`no stand is called ${name}; there are ${[...STANDS.keys()].join(", ")}`);
  await using running = new AsyncDisposableStack();
  let stand: Stand;
  try {
    stand = await start((server) => running.use(server));
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    faults.push(`${name}: can't be run: ${error.message}`);
    continue;
  }
  for (const { row, cells } of results) {
    const cell = await tryRow(row, stand);
    cells.set(name, cell);
    if (cell.kind === "surprise") console.error(`${name}: ${row.attacker}: ${row.tries}: ${cell.got}`);
  }
}
console.log(formatMatrix(results, names));
for (const fault of faults) console.error(fault);
const surprises = countSurprises(results);
console.log(`${rows.length} rows on ${names.length} stands: ${surprises} surprises`);
if (surprises > 0 || faults.length > 0) process.exitCode = 1;

async function tryRow(row: Row, stand: Stand): Promise<Cell> {
  const got = await outcomeOf(row, stand);
  if (got === row.gets) return { kind: "as promised" };
  const store = row.enforcedBy === "vault" ? stand.vault.name : stand.dropZone.name;
  const known = row.enforcedBy === undefined ? undefined : row.otherwise?.[store];
  return known?.gets === got ? { kind: "not enforced", got, why: known.why } : { kind: "surprise", got };
}

async function outcomeOf(row: Row, stand: Stand): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`nothing within ${ROW_TIMEOUT_MS} ms`), ROW_TIMEOUT_MS);
  try {
    return await Promise.race([row.attempt(stand), late.promise]);
  } catch (error) {
    return `could not be tried: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    clearTimeout(timer);
  }
}
