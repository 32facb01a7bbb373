/** What Airlock itself makes of a store at start-up, asked with the mover's own keys. */
import { judgeStores } from "../../../shared/s3/judge.ts";
import type { Problem } from "../../../shared/s3/judge.ts";
import { probeDropZone } from "../../../shared/s3/probe-drop-zone.ts";
import type { DropZoneFindings } from "../../../shared/s3/probe-drop-zone.ts";
import { probeVault } from "../../../shared/s3/probe-vault.ts";
import type { VaultFindings } from "../../../shared/s3/probe-vault.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { drainPolicy, storePolicy } from "../policies.ts";
import { setDefault } from "./locking.ts";

const PROBE_TIMEOUT_MS = 50_000;

const GOOD_DROP_ZONE: DropZoneFindings = {
  versioned: true,
  suspended: false,
  conditionalDelete: "not-needed",
  createOnly: true,
  clockSkewMs: 0,
};
const GOOD_VAULT: VaultFindings = {
  createOnlyPut: true,
  createOnlyComplete: true,
  refusesWrongChecksum: true,
  refusesWrongPayloadHash: true,
  versioning: "enabled",
  retention: { mode: "COMPLIANCE", days: 30 },
  objectLock: "own",
  clockSkewMs: 0,
  tls: true,
};

function probedDropZone(bench: Bench, versioning: boolean): Promise<DropZoneFindings> {
  return bench.once(`probed drop-zone ${versioning}`, async () => {
    const bucket = await bench.freshBucket({ versioning });
    const key = await bench.keyOf("mover", bucket, [drainPolicy(bucket, versioning)]);
    return probeDropZone(await bench.configOf(bucket, key), "mover-a", AbortSignal.timeout(PROBE_TIMEOUT_MS));
  });
}

function probedVault(bench: Bench): Promise<VaultFindings> {
  return bench.once("probed vault", async () => {
    const bucket = await bench.freshBucket({ objectLock: true });
    await setDefault(bench, bucket, "COMPLIANCE");
    const key = await bench.keyOf("mover", bucket, [storePolicy(bucket)]);
    return probeVault(await bench.configOf(bucket, key), "mover-a", AbortSignal.timeout(PROBE_TIMEOUT_MS));
  });
}

/** The judgement, and the findings that it rests on. */
function verdictOf(problems: readonly Problem[], store: Problem["store"], broken: readonly string[]): string {
  const severities = problems.filter((problem) => problem.store === store).map(({ severity }) => severity);
  const found = broken.length === 0 ? "" : ` (${broken.join(", ")})`;
  if (severities.includes("refuse")) return `refused${found}`;
  return severities.length === 0 ? "accepted" : `accepted, with a warning${found}`;
}

const reason = "The mover says at its start what the store does not keep, and what to do.";

function dropZoneCheck(id: string, question: string, versioning: boolean, foreign: boolean, aws: string): Check {
  return {
    id,
    question,
    aws,
    ask: async (bench) => {
      const found = await probedDropZone(bench, versioning);
      const broken = [
        ...(found.createOnly ? [] : ["create-only PUT"]),
        ...(["ignored", "refused"].includes(found.conditionalDelete) ? ["conditional DELETE"] : []),
        ...(foreign && !found.versioned ? ["no versions"] : []),
      ];
      return verdictOf(judgeStores(found, GOOD_VAULT, { verify: "checksum", foreign }), "drop-zone", broken);
    },
    otherwise: { dropZone: reason, vault: null },
  };
}

async function judgeVault(bench: Bench, verify: "checksum" | "readback"): Promise<string> {
  const found = await probedVault(bench);
  const broken = [
    ...(found.createOnlyPut ? [] : ["create-only PUT"]),
    ...(found.createOnlyComplete ? [] : ["create-only Complete"]),
    ...(found.refusesWrongPayloadHash ? [] : ["payload hash"]),
    ...(typeof found.retention === "object" ? [] : ["retention"]),
    ...(found.objectLock === "none" ? ["an object's own lock"] : []),
    ...(found.versioning === "enabled" ? [] : ["versioning"]),
  ];
  return verdictOf(judgeStores(GOOD_DROP_ZONE, found, { verify, foreign: false }), "vault", broken);
}

const checks: readonly Check[] = [
  dropZoneCheck("drop-zone-versioned", "as a drop-zone with versions", true, true, "accepted"),
  dropZoneCheck("drop-zone-plain", "as a drop-zone without versions", false, false, "accepted"),
  dropZoneCheck(
    "drop-zone-plain-foreign",
    "as a drop-zone without versions, with foreign objects",
    false,
    true,
    "refused (no versions)",
  ),
  ...(["checksum", "readback"] as const).map((verify): Check => ({
    id: `vault-${verify}`,
    question: `as a vault with Object Lock, \`verify: ${verify}\``,
    aws: "accepted",
    ask: (bench) => judgeVault(bench, verify),
    otherwise: { dropZone: null, vault: reason },
  })),
];

export const verdict: Area = { title: "Airlock's verdict at start-up", checks };
