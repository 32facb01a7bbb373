import {
  DeleteObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
  CreateMultipartUploadCommand,
} from "@aws-sdk/client-s3";
import type { ObjectLockRetentionMode } from "@aws-sdk/client-s3";
import { answerOf, refusalOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";

const DAY_MS = 86_400_000;
const noLock = {
  dropZone: null,
  vault: "Object Lock does not protect what is archived here: whoever takes the account can delete it.",
};
const lockOfBucket = {
  dropZone: null,
  vault: "The lock is the bucket's and not the object's own: `airlock verify --locks` finds none on the object.",
};

/** A bucket whose objects are all kept for a day. */
export function lockedFor(bench: Bench, Mode: ObjectLockRetentionMode): Promise<string> {
  return bench.once(`default retention ${Mode}`, async () => {
    const Bucket = await bench.freshBucket({ objectLock: true });
    await setDefault(bench, Bucket, Mode);
    return Bucket;
  });
}

export async function setDefault(bench: Bench, Bucket: string, Mode: ObjectLockRetentionMode): Promise<void> {
  const Rule = { DefaultRetention: { Mode, Days: 1 } };
  const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled", Rule } as const;
  await bench.owner.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
}

async function stored(bench: Bench, mode: ObjectLockRetentionMode) {
  const at = { Bucket: await lockedFor(bench, mode), Key: bench.freshKey() };
  const { VersionId } = await bench.owner.send(new PutObjectCommand({ ...at, Body: "x", ChecksumAlgorithm: "SHA256" }));
  return { ...at, VersionId };
}

const checks: readonly Check[] = [
  {
    id: "lock-settings",
    question: "a bucket's default retention, read back",
    aws: "Enabled, GOVERNANCE, 1 day",
    ask: async (bench) => {
      const Bucket = await lockedFor(bench, "GOVERNANCE");
      const { ObjectLockConfiguration: lock } = await bench.owner.send(
        new GetObjectLockConfigurationCommand({ Bucket }),
      );
      const kept = lock?.Rule?.DefaultRetention;
      return `${lock?.ObjectLockEnabled}, ${kept?.Mode}, ${kept?.Days} day`;
    },
    otherwise: noLock,
  },
  {
    id: "lock-unset",
    question: "reading the lock settings of a bucket without any",
    aws: "404 ObjectLockConfigurationNotFoundError",
    ask: async (bench) =>
      answerOf(bench.owner.send(new GetObjectLockConfigurationCommand({ Bucket: await bench.bucket("plain") }))),
    otherwise: { dropZone: null, vault: "The mover reports the lock as unknown instead of absent." },
  },
  {
    id: "lock-inherited",
    question: "retention that an object gets from its bucket",
    aws: "GOVERNANCE, 1 day",
    ask: async (bench) => {
      const at = await stored(bench, "GOVERNANCE");
      try {
        const { Retention } = await bench.owner.send(new GetObjectRetentionCommand(at));
        const days = (Number(Retention?.RetainUntilDate) - Date.now()) / DAY_MS;
        return `${Retention?.Mode}, ${Math.round(days)} day`;
      } catch (error) {
        return refusalOf(error);
      }
    },
    otherwise: lockOfBucket,
  },
  {
    id: "lock-head",
    question: "retention as HEAD shows it",
    aws: "GOVERNANCE",
    ask: async (bench) =>
      (await bench.owner.send(new HeadObjectCommand(await stored(bench, "GOVERNANCE")))).ObjectLockMode ?? "nothing",
    otherwise: lockOfBucket,
  },
  ...(["GOVERNANCE", "COMPLIANCE"] as const).flatMap((mode): Check[] => [
    {
      id: `lock-delete-${mode.toLowerCase()}`,
      question: `DELETE of a version under ${mode}, by the owner`,
      aws: "403 AccessDenied",
      ask: async (bench) => answerOf(bench.owner.send(new DeleteObjectCommand(await stored(bench, mode)))),
      otherwise: noLock,
    },
    {
      id: `lock-bypass-${mode.toLowerCase()}`,
      question: `the same with \`x-amz-bypass-governance-retention\``,
      aws: mode === "GOVERNANCE" ? "204" : "403 AccessDenied",
      ask: async (bench) =>
        answerOf(
          bench.owner.send(
            new DeleteObjectCommand({ ...(await stored(bench, mode)), BypassGovernanceRetention: true }),
          ),
        ),
      otherwise: noLock,
    },
    {
      id: `lock-shorten-${mode.toLowerCase()}`,
      question: `shortening the retention under ${mode}, by the owner`,
      aws: "403 AccessDenied",
      ask: async (bench) => {
        const at = await stored(bench, mode);
        const Retention = { Mode: mode, RetainUntilDate: new Date(Date.now() + 60_000) };
        return answerOf(bench.owner.send(new PutObjectRetentionCommand({ ...at, Retention })));
      },
      otherwise: noLock,
    },
  ]),
  {
    id: "lock-default-removed",
    question: "DELETE of a version under COMPLIANCE, after the owner has taken the bucket's default away",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const Bucket = await bench.freshBucket({ objectLock: true });
      await setDefault(bench, Bucket, "COMPLIANCE");
      const at = { Bucket, Key: bench.freshKey() };
      const { VersionId } = await bench.owner.send(
        new PutObjectCommand({ ...at, Body: "x", ChecksumAlgorithm: "SHA256" }),
      );
      const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled" } as const;
      const removed = new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration });
      const answer = await answerOf(bench.owner.send(removed));
      if (answer !== "200") return `the default stays: ${answer}`;
      return answerOf(bench.owner.send(new DeleteObjectCommand({ ...at, VersionId })));
    },
    otherwise: (answer) =>
      answer.startsWith("the default stays")
        ? { dropZone: null, vault: "A default can't be taken away again." }
        : noLock,
  },
  {
    id: "lock-marker",
    question: "DELETE without a version under GOVERNANCE leaves",
    aws: "204, the version",
    ask: async (bench) => {
      const { VersionId, ...at } = await stored(bench, "GOVERNANCE");
      const answer = await answerOf(bench.owner.send(new DeleteObjectCommand(at)));
      const head = await answerOf(bench.owner.send(new HeadObjectCommand({ ...at, VersionId })));
      return `${answer}, ${head === "200" ? "the version" : "nothing"}`;
    },
    otherwise: noLock,
  },
  {
    id: "lock-overwrite",
    question: "a second PUT under GOVERNANCE leaves the first version",
    aws: "200, the version",
    ask: async (bench) => {
      const { VersionId, ...at } = await stored(bench, "GOVERNANCE");
      const answer = await answerOf(
        bench.owner.send(new PutObjectCommand({ ...at, Body: "second", ChecksumAlgorithm: "SHA256" })),
      );
      const head = await answerOf(bench.owner.send(new HeadObjectCommand({ ...at, VersionId })));
      return `${answer}, ${head === "200" ? "the version" : "nothing"}`;
    },
    otherwise: noLock,
  },
  {
    id: "lock-put-without-checksum",
    question: "PUT without a checksum where a default retention is set",
    aws: "400 InvalidRequest",
    ask: async (bench) => {
      const at = { Bucket: await lockedFor(bench, "GOVERNANCE"), Key: bench.freshKey() };
      return answerOf(bench.owner.send(new PutObjectCommand({ ...at, Body: "x" })));
    },
    otherwise: { dropZone: null, vault: "Airlock always sends one: no effect." },
  },
  {
    id: "lock-part-without-checksum",
    question: "UploadPart without a checksum where a default retention is set",
    aws: "400 InvalidRequest",
    ask: async (bench) => {
      const at = { Bucket: await lockedFor(bench, "GOVERNANCE"), Key: bench.freshKey() };
      const { UploadId } = await bench.owner.send(new CreateMultipartUploadCommand(at));
      return answerOf(bench.owner.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: "x" })));
    },
    otherwise: { dropZone: null, vault: "Airlock always sends one: no effect." },
  },
];

export const locking: Area = { title: "Object Lock", checks };
