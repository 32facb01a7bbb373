/** What Airlock itself makes of a store at start-up, asked with the mover's own keys. */
import { PutObjectLockConfigurationCommand } from "@aws-sdk/client-s3";
import { judgeStores } from "../../../shared/s3/judge.ts";
import type { Problem } from "../../../shared/s3/judge.ts";
import { probeDropZone } from "../../../shared/s3/probe-drop-zone.ts";
import type { DropZoneFindings } from "../../../shared/s3/probe-drop-zone.ts";
import { probeVault } from "../../../shared/s3/probe-vault.ts";
import type { VaultFindings } from "../../../shared/s3/probe-vault.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";
import { drainPolicy, storePolicy } from "../policies.ts";

const PROBE_TIMEOUT_MS = 50_000;

const GOOD_DROP_ZONE: DropZoneFindings = {
  versioned: true,
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
    const Rule = { DefaultRetention: { Mode: "COMPLIANCE", Days: 1 } } as const;
    const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled", Rule } as const;
    await bench.owner.send(new PutObjectLockConfigurationCommand({ Bucket: bucket, ObjectLockConfiguration }));
    const key = await bench.keyOf("mover", bucket, [storePolicy(bucket)]);
    return probeVault(await bench.configOf(bucket, key), "mover-a", AbortSignal.timeout(PROBE_TIMEOUT_MS));
  });
}

function verdictOf(problems: readonly Problem[], store: Problem["store"]): string {
  const severities = problems.filter((problem) => problem.store === store).map(({ severity }) => severity);
  if (severities.includes("refuse")) return "refused";
  return severities.length === 0 ? "accepted" : "accepted, with a warning";
}

const reason = {
  dropZone: "The mover says at its start what the store does not keep, and what to do.",
  vault: "The mover says at its start what the store does not keep, and what to do.",
};

function dropZoneCheck(id: string, question: string, versioning: boolean, foreign: boolean, aws: string): Check {
  return {
    id,
    question,
    aws,
    ask: async (bench) => {
      const found = await probedDropZone(bench, versioning);
      return verdictOf(judgeStores(found, GOOD_VAULT, { verify: "checksum", foreign }), "drop-zone");
    },
    otherwise: { ...reason, vault: null },
  };
}

const checks: readonly Check[] = [
  dropZoneCheck("drop-zone-versioned", "as a drop-zone with versions", true, true, "accepted"),
  dropZoneCheck("drop-zone-plain", "as a drop-zone without versions", false, false, "accepted"),
  dropZoneCheck(
    "drop-zone-plain-foreign",
    "as a drop-zone without versions, with foreign objects",
    false,
    true,
    "accepted, with a warning",
  ),
  ...(["checksum", "readback"] as const).map((verify): Check => ({
    id: `vault-${verify}`,
    question: `as a vault with Object Lock, \`verify: ${verify}\``,
    aws: "accepted",
    ask: async (bench) =>
      verdictOf(judgeStores(GOOD_DROP_ZONE, await probedVault(bench), { verify, foreign: false }), "vault"),
    otherwise: { ...reason, dropZone: null },
  })),
];

export const verdict: Area = { title: "Airlock's verdict at start-up", checks };
