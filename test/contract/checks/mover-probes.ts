/**
 * What `airlock-mover check` hears when it tries what the vault's key must not be able to do: from that key, which
 * can't, and from the owner's, which can.
 */
import { PutObjectCommand } from "@aws-sdk/client-s3";
import type { Attempt } from "../../../shared/s3/key-probe.ts";
import { openMoverProbe } from "../../../shared/s3/mover-probe.ts";
import type { MoverProbe } from "../../../shared/s3/mover-probe.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { storePolicy } from "../policies.ts";

const PROBE_TIMEOUT_MS = 20_000;

interface Archived {
  readonly key: string;
  readonly versionId: string | null;
  /** A name below archive/ that nobody has. */
  readonly nobodys: string;
}

type Ask = (probe: MoverProbe, archived: Archived, signal: AbortSignal) => Promise<Attempt>;

const questions: readonly (readonly [id: string, power: string, attempt: Ask])[] = [
  ["write", "put an object elsewhere", (probe, _, signal) => probe.write("elsewhere", true, signal)],
  ["overwrite", "overwrite below `archive/`", (probe, { nobodys }, signal) => probe.write(nobodys, false, signal)],
  ["read", "read an archived object", (probe, { key }, signal) => probe.read(key, null, signal)],
  ["read-version", "read a version of one", (probe, { key, versionId }, signal) => probe.read(key, versionId, signal)],
  ["head", "HEAD", (probe, { key }, signal) => probe.head(key, signal)],
  ["list", "list", (probe, _, signal) => probe.list("archive/", signal)],
  ["list-versions", "list versions", (probe, _, signal) => probe.listVersions("archive/", signal)],
  ["delete-version", "delete a version", (probe, { nobodys }, signal) => probe.deleteVersion(nobodys, signal)],
  ["delete-batch", "delete in a batch", (probe, { nobodys }, signal) => probe.deleteBatch(nobodys, "null", signal)],
  ["hide", "delete without a version", (probe, { nobodys }, signal) => probe.hide(nobodys, signal)],
  ["retention", "set a retention", (probe, { key }, signal) => probe.markObject("retention", key, signal)],
  ["legal-hold", "set a legal hold", (probe, { key }, signal) => probe.markObject("legal hold", key, signal)],
  ["tags", "tag an object", (probe, { key }, signal) => probe.markObject("tags", key, signal)],
  ["acl", "set an object's ACL", (probe, { key }, signal) => probe.markObject("ACL", key, signal)],
  ["policy", "set the bucket's policy", (probe, _, signal) => probe.setBucket("policy", signal)],
  ["lifecycle", "set its lifecycle", (probe, _, signal) => probe.setBucket("lifecycle", signal)],
  ["versioning", "set its versioning", (probe, _, signal) => probe.setBucket("versioning", signal)],
  ["object-lock", "set its Object Lock", (probe, _, signal) => probe.setBucket("object lock", signal)],
  ["bucket-acl", "set its ACL", (probe, _, signal) => probe.setBucket("ACL", signal)],
  ["notification", "set its notifications", (probe, _, signal) => probe.setBucket("notification", signal)],
];

/** From the two verdicts alone: which of the two keys `check` would misjudge. */
function meaningOf(answer: string): Meaning {
  const [mover, owner] = answer.split(" / ");
  const say = (vault: string): Meaning => ({ dropZone: null, vault });
  if (owner === "denied") return say("`airlock-mover check` takes a key that can do this for one that can't.");
  if (mover === "allowed")
    return say("`airlock-mover check` reports that the mover's key can do this, and exits with 7.");
  return say("`airlock-mover check` says that it does not know whether a key can do this.");
}

async function archive(bench: Bench, Bucket: string): Promise<Archived> {
  const key = bench.freshKey("archive/web1");
  const { VersionId } = await bench.owner.send(new PutObjectCommand({ Bucket, Key: key, Body: "archived" }));
  return { key, versionId: VersionId ?? null, nobodys: bench.freshKey("archive/nobodys") };
}

const checks = questions.map(([id, power, attempt]): Check => ({
  id: `mover-check-${id}`,
  question: power,
  aws: "denied / allowed",
  otherwise: meaningOf,
  ask: async (bench) => {
    // One that it may spoil, for stores that take anything for a policy.
    const bucket = await (id === "policy" ? bench.freshBucket({ objectLock: true }) : bench.bucket("locked"));
    const archived = await archive(bench, bucket);
    const heard: string[] = [];
    for (const key of [await bench.keyOf("vault-mover", bucket, [storePolicy(bucket)]), bench.account.owner]) {
      await using probe = await openMoverProbe(await bench.configOf(bucket, key));
      heard.push((await attempt(probe, archived, AbortSignal.timeout(PROBE_TIMEOUT_MS))).verdict);
    }
    return heard.join(" / ");
  },
}));

export const moverProbes: Area = {
  title: "What `airlock-mover check` hears: from its vault key / the owner's",
  checks,
};
