import type { Io } from "../shared/cli.ts";
import { AirlockError } from "../shared/errors.ts";
import { readSecretFile } from "../shared/files.ts";
import { parseSigningKey } from "../shared/keys.ts";
import { lockFolder } from "../shared/process-lock.ts";
import { formatTable } from "../shared/table.ts";
import { readMoverConfig, refuseUnservedMoverKeys, type MoverConfig } from "./config.ts";
import { probeStores, type Probed } from "./open-stores.ts";

interface Row {
  readonly what: string;
  readonly found: string;
  readonly verdict: "ok" | "weak" | "refused";
  readonly remedy: string | null;
}

export async function runCheck(io: Io, pid: number): Promise<void> {
  const config = await readMoverConfig(io.configFile);
  refuseUnservedMoverKeys(config, io.configFile);
  parseSigningKey(await readSecretFile(config.signingKeyFile), config.signingKeyFile);
  using _lock = await lockFolder(config.state, pid); // the daemon probes under the same names
  const rows = rowsOf(config, await probeStores(config, io.abort));
  io.print(rows, () => formatRows(rows));
  const refused = rows.filter(({ verdict }) => verdict === "refused");
  if (refused.length > 0) {
    throw new AirlockError("store-unsafe", `the mover would not start: ${refused.map(({ what }) => what).join("; ")}`);
  }
}

function rowsOf(config: MoverConfig, { dropZone, vault, problems }: Probed): Row[] {
  const ok = (what: string, found: string): Row => ({ what, found, verdict: "ok", remedy: null });
  return [
    ok("drop-zone: list, write and delete below _airlock/probe/", "works"),
    ok("drop-zone: versions", dropZone.versioned ? "kept" : "not kept"),
    ok("drop-zone: delete with a wrong If-Match", dropZone.conditionalDelete),
    ok("vault: write below _airlock/", "works"),
    ok("vault: create-only PutObject", yesNo(vault.createOnlyPut)),
    ok("vault: create-only CompleteMultipartUpload", yesNo(vault.createOnlyComplete)),
    ok("vault: refuses a wrong checksum", yesNo(vault.refusesWrongChecksum)),
    ok("vault: refuses a wrong payload hash", yesNo(vault.refusesWrongPayloadHash)),
    ok("vault: versioning", vault.versioning),
    ok(
      "vault: default retention",
      typeof vault.retention === "string" ? vault.retention : `${vault.retention.mode}, ${vault.retention.days} days`,
    ),
    ok("hosts configured", String(config.hosts.size)),
    ...problems.map(({ severity, store, what, remedy }): Row => ({
      what: `${store}: ${what}`,
      found: "",
      verdict: severity === "refuse" ? "refused" : "weak",
      remedy,
    })),
  ];
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function formatRows(rows: readonly Row[]): string {
  const facts = rows.filter(({ verdict }) => verdict === "ok").map(({ what, found }) => [what, found]);
  const problems = rows.filter(({ verdict }) => verdict !== "ok");
  const table = formatTable([{ header: "WHAT", shrinkTo: 30 }, { header: "FOUND" }], facts);
  const below = problems.map(({ what, verdict, remedy }) => `\n${verdict}: ${what}\n  ${remedy ?? ""}\n`);
  return table + below.join("");
}
