/**
 * What `airlock-uploader check` hears when it tries what a host must not be able to do: from a host's key, which can't,
 * and from the owner's, which can. "Denied" to a key that can would be a false comfort, "allowed" to one that can't a
 * false alarm; where a store's answer doesn't tell, it has to be "unknown".
 */
import { GetBucketPolicyCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { openHostProbe } from "../../../shared/s3/host-probe.ts";
import type { HostProbe } from "../../../shared/s3/host-probe.ts";
import type { Attempt } from "../../../shared/s3/key-probe.ts";
import type { Credentials } from "../../servers/server.ts";
import { answerOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { hostPolicy } from "../policies.ts";

const PROBE_TIMEOUT_MS = 20_000;

interface Own {
  readonly key: string;
  readonly body: Uint8Array;
}

interface Question {
  readonly id: string;
  readonly power: string;
  readonly aws: string;
  readonly attempt: (probe: HostProbe, own: Own, signal: AbortSignal) => Promise<Attempt>;
}

const questions: readonly Question[] = [
  {
    id: "create",
    power: "create an object that is there",
    aws: "exists / exists",
    attempt: (probe, { key, body }, signal) => probe.create(key, body, signal),
  },
  {
    id: "overwrite",
    power: "overwrite",
    aws: "denied / allowed",
    attempt: (probe, { key, body }, signal) => probe.overwrite(key, body, signal),
  },
  { id: "head", power: "HEAD", aws: "denied / allowed", attempt: (probe, { key }, signal) => probe.head(key, signal) },
  { id: "get", power: "GET", aws: "denied / allowed", attempt: (probe, { key }, signal) => probe.get(key, signal) },
  {
    id: "copy",
    power: "copy",
    aws: "denied / allowed",
    attempt: (probe, { key }, signal) => probe.copy(key, `${key}.copy`, signal),
  },
  { id: "list", power: "list", aws: "denied / allowed", attempt: (probe, _, signal) => probe.list("h1/", signal) },
  {
    id: "list-versions",
    power: "list versions",
    aws: "denied / allowed",
    attempt: (probe, _, signal) => probe.listVersions("h1/", signal),
  },
  {
    id: "list-uploads",
    power: "list uploads",
    aws: "denied / allowed",
    attempt: (probe, _, signal) => probe.listUploads("h1/", signal),
  },
  {
    id: "list-parts",
    power: "list an upload's parts",
    aws: "denied / allowed",
    attempt: async (probe, { key }, signal) => (await probe.listPartsAndAbort(`${key}.parts`, signal)).listParts,
  },
  {
    id: "abort",
    power: "abort an upload",
    aws: "denied / allowed",
    attempt: async (probe, { key }, signal) => (await probe.listPartsAndAbort(`${key}.parts`, signal)).abort,
  },
  {
    id: "tags",
    power: "tag an object",
    aws: "denied / allowed",
    attempt: (probe, { key }, signal) => probe.putTags(key, signal),
  },
  {
    id: "retention",
    power: "set a retention (one that has ended)",
    aws: "denied / unknown",
    attempt: (probe, { key }, signal) => probe.putRetention(key, signal),
  },
  {
    id: "policy",
    power: "set the bucket's policy (to a document that is none)",
    aws: "denied / allowed",
    attempt: (probe, _, signal) => probe.setBucket("policy", signal),
  },
  {
    id: "delete-version",
    power: "delete a version (the `null` one, which is not there)",
    aws: "denied / allowed",
    attempt: (probe, { key }, signal) => probe.deleteVersion(key, signal),
  },
  {
    id: "delete-batch",
    power: "delete in a batch",
    aws: "denied / allowed",
    attempt: (probe, { key }, signal) => probe.deleteBatch(key, signal),
  },
  {
    id: "delete",
    power: "delete",
    aws: "denied / allowed",
    attempt: (probe, { key }, signal) => probe.delete(key, signal),
  },
];

/** From the two verdicts alone: which of the two keys `check` would misjudge. */
function meaningOf(answer: string): Meaning {
  const [host, owner] = answer.split(" / ");
  if (owner === "denied") {
    return { dropZone: "`airlock-uploader check` takes a key that can do this for one that can't.", vault: null };
  }
  if (host === "allowed") {
    return {
      dropZone: "`airlock-uploader check` reports that a host's key can do this, and exits with 7.",
      vault: null,
    };
  }
  return { dropZone: "`airlock-uploader check` says that it does not know whether a key can do this.", vault: null };
}

async function hear(bench: Bench, bucket: string, credentials: Credentials, question: Question): Promise<string> {
  await using probe = await openHostProbe(await bench.configOf(bucket, credentials));
  const own = { key: bench.freshKey("h1"), body: Buffer.from("own") };
  const writer = bench.clientOf(credentials);
  await writer.send(new PutObjectCommand({ Bucket: bucket, Key: own.key, Body: own.body, IfNoneMatch: "*" }));
  return (await question.attempt(probe, own, AbortSignal.timeout(PROBE_TIMEOUT_MS))).verdict;
}

function spoilable(bench: Bench): Promise<string> {
  return bench.once("bucket to spoil", () => bench.freshBucket({ versioning: true }));
}

const harmless: Check = {
  id: "check-policy-after",
  question: "the bucket's policy after that",
  aws: "none",
  ask: async (bench) => {
    const Bucket = await spoilable(bench);
    await using probe = await openHostProbe(await bench.configOf(Bucket, bench.account.owner));
    await probe.setBucket("policy", AbortSignal.timeout(PROBE_TIMEOUT_MS));
    const answer = await answerOf(bench.owner.send(new GetBucketPolicyCommand({ Bucket })));
    return answer === "404 NoSuchBucketPolicy" ? "none" : answer;
  },
  otherwise: {
    dropZone: "`airlock-uploader check`, run with a key that can do everything, leaves the bucket without its policy.",
    vault: null,
  },
};

const checks = questions.map((question): Check => ({
  id: `check-${question.id}`,
  question: question.power,
  aws: question.aws,
  otherwise: meaningOf,
  ask: async (bench) => {
    // One that it may spoil, for stores that take anything for a policy.
    const bucket = question.id === "policy" ? await spoilable(bench) : await bench.bucket("versioned");
    const host = await bench.keyOf("host", bucket, [hostPolicy(bucket, "h1")]);
    const heard = [];
    for (const key of [host, bench.account.owner]) heard.push(await hear(bench, bucket, key, question));
    return heard.join(" / ");
  },
}));

export const hostProbes: Area = {
  title: "What `airlock-uploader check` hears: from a host's key / the owner's",
  checks: [...checks, harmless],
};
