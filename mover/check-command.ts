import type { Io } from "../shared/cli.ts";
import { isAirlockError } from "../shared/errors.ts";
import { findArchived } from "../shared/find-archived.ts";
import { readSecretFile } from "../shared/files.ts";
import { parseSigningKey } from "../shared/keys.ts";
import { moverDropZonePolicy, moverVaultPolicy, queueArnOf, type Policy } from "../shared/policies.ts";
import { formatFindings, isLacking, type Finding } from "../shared/powers.ts";
import { lockFolder } from "../shared/process-lock.ts";
import { openLedgerStore } from "../shared/s3/ledger-store.ts";
import { openQueueProbe } from "../shared/s3/event-queue.ts";
import { openMoverProbe } from "../shared/s3/mover-probe.ts";
import { formatTable } from "../shared/table.ts";
import { tryDropZonePowers, tryQueuePowers, tryVaultPowers } from "./check-powers.ts";
import { isSecure } from "./init-command.ts";
import { readMoverConfig, refuseUnservedMoverKeys, type MoverConfig } from "./config.ts";
import { probeStores, type Probed } from "./open-stores.ts";

/** What a store was found to do. */
interface Row {
  readonly what: string;
  readonly found: string;
  readonly verdict: "ok" | "weak" | "refused";
  readonly remedy: string | null;
}

/** What a key was found to be able to do. */
interface Key {
  readonly key: "drop-zone" | "vault";
  readonly findings: readonly Finding[];
  /** What it should be able to do, and nothing else. */
  readonly policy: Policy;
}

/** Exit 7 when a key can do more than it should, 4 when it can do less, 2 when the mover would not start. */
export async function runCheck(io: Io, pid: number): Promise<void> {
  const config = await readMoverConfig(io.configFile);
  refuseUnservedMoverKeys(config, io.configFile);
  parseSigningKey(await readSecretFile(config.signingKeyFile), config.signingKeyFile);
  using _lock = await lockFolder(config.state, pid); // the daemon probes under the same names
  const probed = await probeOrShowPolicies(config, io);
  const stores = rowsOf(config, probed);
  const keys = [await tryDropZoneKey(config, probed.dropZone.versioned, io.abort), await tryVaultKey(config, io.abort)];
  const wrong = keys.filter(({ findings }) => findings.some((finding) => finding.isExcess || isLacking(finding)));
  io.print(
    {
      stores,
      keys: keys.map(({ key, findings }) => ({ key, findings })),
      ...(wrong.length === 0 ? {} : { policies: Object.fromEntries(wrong.map(({ key, policy }) => [key, policy])) }),
    },
    () => formatRows(stores) + keys.map((key) => formatKey(key, io.stdout.columns)).join(""),
  );
  if (!io.json) for (const key of wrong) io.stderr.write(formatRemedy(key));
  const excess = keys.some(({ findings }) => findings.some(({ isExcess }) => isExcess));
  if (excess || wrong.length > 0) return io.exitWith(excess ? 7 : 4);
  const refused = stores.filter(({ verdict }) => verdict === "refused");
  if (refused.length === 0) return;
  io.exitWith(2);
  if (!io.json)
    io.stderr.write(`airlock-mover: the mover would not start: ${refused.map(({ what }) => what).join("; ")}\n`);
}

/** Who is denied even this has not got the right policies yet. */
async function probeOrShowPolicies(config: MoverConfig, io: Io): Promise<Probed> {
  try {
    return await probeStores(config, io.abort);
  } catch (error) {
    if (isAirlockError(error, "access-denied") && !io.json) {
      const policies = { dropZone: dropZonePolicyOf(config, true), vault: vaultPolicyOf(config) };
      io.stderr.write(
        `airlock-mover: the two keys need these policies (the drop-zone with versions):\n${JSON.stringify(policies, null, 2)}\n`,
      );
    }
    throw error;
  }
}

function dropZonePolicyOf({ dropZone, discover }: MoverConfig, versioned: boolean): Policy {
  const { bucket, endpoint, region } = dropZone;
  const queue = discover.sqs === null ? {} : { queueArn: queueArnOf(discover.sqs.queueUrl, region) };
  return moverDropZonePolicy({ bucket, secureTransport: isSecure(endpoint), versioned, ...queue });
}

function vaultPolicyOf({ vault: { bucket, endpoint }, verify }: MoverConfig): Policy {
  return moverVaultPolicy({ bucket, secureTransport: isSecure(endpoint), verify });
}

async function tryDropZoneKey(config: MoverConfig, versioned: boolean, signal: AbortSignal): Promise<Key> {
  await using probe = await openMoverProbe(config.dropZone);
  const [host = ""] = config.hosts.keys();
  const findings = await tryDropZonePowers(probe, { mover: config.id, host, versioned }, signal);
  if (config.discover.sqs !== null) {
    await using queue = openQueueProbe(config.dropZone, config.discover.sqs.queueUrl);
    findings.push(...(await tryQueuePowers(queue, signal)));
  }
  return { key: "drop-zone", findings, policy: dropZonePolicyOf(config, versioned) };
}

async function tryVaultKey(config: MoverConfig, signal: AbortSignal): Promise<Key> {
  const { id: mover, verify } = config;
  await using ledger = await openLedgerStore(config.vault, mover);
  await using probe = await openMoverProbe(config.vault);
  const archived = await findArchived(ledger, mover, signal);
  const findings = await tryVaultPowers(probe, { mover, verify, archived }, signal);
  return { key: "vault", findings, policy: vaultPolicyOf(config) };
}

function rowsOf(config: MoverConfig, { dropZone, vault, problems }: Probed): Row[] {
  const ok = (what: string, found: string): Row => ({ what, found, verdict: "ok", remedy: null });
  return [
    ok("drop-zone: list, write and delete below _airlock/probe/", "works"),
    ok("drop-zone: versions", keptVersions(dropZone)),
    ok("drop-zone: delete with a wrong If-Match", dropZone.conditionalDelete),
    ok("vault: write below _airlock/", "works"),
    ok("vault: parts of one upload", `at most ${config.maxParts}, all but the last of one size`),
    ok("vault: create-only PutObject", yesNo(vault.createOnlyPut)),
    ok("vault: create-only CompleteMultipartUpload", yesNo(vault.createOnlyComplete)),
    ok("vault: refuses a wrong checksum", yesNo(vault.refusesWrongChecksum)),
    ok("vault: refuses a wrong payload hash", yesNo(vault.refusesWrongPayloadHash)),
    ok("vault: versioning", vault.versioning),
    ok(
      "vault: default retention",
      typeof vault.retention === "string" ? vault.retention : `${vault.retention.mode}, ${vault.retention.days} days`,
    ),
    ok("vault: an object's own lock", LOCK_TEXTS[vault.objectLock]),
    ok("drop-zone: clock", describeSkew(dropZone.clockSkewMs)),
    ok("vault: clock", describeSkew(vault.clockSkewMs)),
    ok("hosts configured", String(config.hosts.size)),
    ...problems.map(({ severity, store, what, remedy }): Row => ({
      what: `${store}: ${what}`,
      found: "",
      verdict: severity === "refuse" ? "refused" : "weak",
      remedy,
    })),
  ];
}

const LOCK_TEXTS = { own: "set", none: "none", unknown: "not known" } as const;

function keptVersions({ versioned, suspended }: Probed["dropZone"]): string {
  if (suspended) return "suspended";
  return versioned ? "kept" : "not kept";
}

/** A Date header is whole seconds, and a second old at most. */
function describeSkew(skewMs: number | null): string {
  if (skewMs === null) return "not told";
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return seconds <= 1
    ? "the same as this machine's"
    : `${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} this machine's`;
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

function formatKey({ key, findings }: Key, width: number | undefined): string {
  return `\nwhat the ${key}'s key can do\n${formatFindings(findings, width)}`;
}

function formatRemedy({ key, findings, policy }: Key): string {
  const named = (what: string, which: readonly Finding[]): string =>
    which.length === 0
      ? ""
      : `airlock-mover: the ${key}'s key can${what}: ${which.map(({ power }) => power).join("; ")}\n`;
  return [
    named(
      " do more than it should",
      findings.filter(({ isExcess }) => isExcess),
    ),
    named("not do what it has to", findings.filter(isLacking)),
    "  give it this policy and no other, and look for a bucket policy or ACL that says otherwise:\n",
    `${JSON.stringify(policy, null, 2)}\n`,
  ].join("");
}
