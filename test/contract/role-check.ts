/** Questions asked with the keys of the mover and the operator. */
import { PutObjectCommand } from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf, statusOf } from "./bench.ts";
import type { Bench } from "./bench.ts";
import type { Check, Meaning } from "./check.ts";
import { drainPolicy, hostPolicy, readPolicy, storePolicy } from "./policies.ts";

type Answer = Promise<{ $metadata: { httpStatusCode?: number } }>;

interface Stage {
  readonly client: S3Client;
  /** An object that was there before: in the drop-zone put by a host, in the vault by the owner. */
  readonly at: { readonly Bucket: string; readonly Key: string };
  readonly VersionId: string | undefined;
}

type Role = "drain" | "store" | "read";

/** Which bucket each role works on, in which folder its questions are asked, and under what policy. */
const ROLES = {
  drain: { kind: "versioned", folder: "h1", policy: drainPolicy, says: "the mover's drop-zone key" },
  store: { kind: "locked", folder: "archive", policy: storePolicy, says: "the mover's vault key" },
  read: { kind: "locked", folder: "archive", policy: readPolicy, says: "the operator's key" },
} as const;

async function stageOf(bench: Bench, role: Role, folder: string): Promise<Stage> {
  const { kind, policy } = ROLES[role];
  const Bucket = await bench.bucket(kind);
  const client = await bench.user(role, Bucket, [policy(Bucket)]);
  const at = { Bucket, Key: bench.freshKey(folder) };
  const writer = role === "drain" ? await bench.user("host", Bucket, [hostPolicy(Bucket, "h1")]) : bench.owner;
  const { VersionId } = await writer.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" }));
  return { client, at, VersionId };
}

export function roleCheck(
  role: Role,
  id: string,
  question: string,
  aws: string,
  call: (stage: Stage) => Answer,
  means: string,
  folder?: string,
): Check {
  const { kind, folder: own, says } = ROLES[role];
  const otherwise: Meaning = kind === "locked" ? { dropZone: null, vault: means } : { dropZone: means, vault: null };
  const answer = aws.length === 3 ? statusOf : answerOf;
  return {
    id: `${role}-${id}`,
    question: `${question}, with ${says}`,
    aws,
    ask: async (bench) => answer(call(await stageOf(bench, role, folder ?? own))),
    otherwise,
  };
}

export const DENIED = "403 AccessDenied";
export const cannotWork = "The mover can't work with the least it needs: give it a wider policy.";
export const unbounded =
  "The policy does not bound this here: another means has to, or the key is worth more to a thief.";
