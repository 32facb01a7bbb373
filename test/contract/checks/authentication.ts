import { HeadBucketCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { answerOf, plainAnswerOf, statusOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check } from "../check.ts";

const anybody = {
  dropZone: "Whoever reaches the endpoint may write or read: not to be used.",
  vault: "Whoever reaches the endpoint may write or read: not to be used.",
};
const otherCode = {
  dropZone: "It is refused all the same; only the reason that Airlock gives is less exact.",
  vault: "It is refused all the same; only the reason that Airlock gives is less exact.",
};

async function putWith(bench: Bench, credentials: { accessKeyId: string; secretAccessKey: string }): Promise<string> {
  const Bucket = await bench.bucket("plain");
  return answerOf(bench.clientOf(credentials).send(new PutObjectCommand({ Bucket, Key: bench.freshKey(), Body: "x" })));
}

const checks: readonly Check[] = [
  {
    id: "wrong-secret",
    question: "PUT signed with the wrong secret",
    aws: "403 SignatureDoesNotMatch",
    ask: (bench) => putWith(bench, { ...bench.account.owner, secretAccessKey: "not-the-secret" }),
    otherwise: otherCode,
  },
  {
    id: "unknown-key",
    question: "PUT with an access key that does not exist",
    aws: "403 InvalidAccessKeyId",
    ask: (bench) => putWith(bench, { accessKeyId: "AKIDOESNOTEXIST00000", secretAccessKey: "not-a-secret" }),
    otherwise: otherCode,
  },
  {
    id: "other-account",
    question: "PUT by the owner of another account",
    aws: "403",
    ask: async (bench) => (await putWith(bench, bench.server.vault.owner)).slice(0, 3),
    otherwise: anybody,
  },
  {
    id: "unsigned-put",
    question: "PUT without a signature",
    aws: "403 AccessDenied",
    ask: async (bench) => unsigned(bench, "PUT"),
    otherwise: otherCode,
  },
  {
    id: "unsigned-get",
    question: "GET without a signature",
    aws: "403 AccessDenied",
    ask: async (bench) => unsigned(bench, "GET"),
    otherwise: otherCode,
  },
  {
    id: "clock-skew",
    question: "PUT signed 20 minutes ago",
    aws: "403 RequestTimeTooSkewed",
    ask: async (bench) => {
      const path = `/${await bench.bucket("plain")}/${bench.freshKey()}`;
      return plainAnswerOf(await bench.raw({ method: "PUT", path, body: "x", now: new Date(Date.now() - 1_200_000) }));
    },
    otherwise: {
      dropZone:
        "A recorded request can be sent again for longer than 15 minutes; what it creates is held or refused as a duplicate.",
      vault: "A recorded request can be sent again for longer than 15 minutes; a create-only one does nothing then.",
    },
  },
  {
    id: "wrong-region",
    question: "PUT signed for another region",
    aws: "400 AuthorizationHeaderMalformed",
    ask: async (bench) => {
      const path = `/${await bench.bucket("plain")}/${bench.freshKey()}`;
      return plainAnswerOf(await bench.raw({ method: "PUT", path, body: "x", region: "eu-west-9" }));
    },
    otherwise: {
      dropZone: "A wrong region in the configuration is not noticed, and does no harm.",
      vault: "A wrong region in the configuration is not noticed, and does no harm.",
    },
  },
  {
    id: "expected-owner",
    question: "PUT that expects the bucket to be another account's",
    aws: "403 AccessDenied",
    ask: async (bench) => {
      const Bucket = await bench.bucket("plain");
      const ExpectedBucketOwner = "999988887777";
      const put = new PutObjectCommand({ Bucket, Key: bench.freshKey(), Body: "x", ExpectedBucketOwner });
      return answerOf(bench.owner.send(put));
    },
    otherwise: {
      dropZone: "`expectedBucketOwner` protects nothing here: whoever answers at the endpoint gets the upload.",
      vault: "`expectedBucketOwner` protects nothing here: a bucket of that name in another account is not noticed.",
    },
  },
  {
    id: "missing-bucket",
    question: "PUT into a bucket that does not exist",
    aws: "404 NoSuchBucket",
    ask: (bench) =>
      answerOf(bench.owner.send(new PutObjectCommand({ Bucket: "contract-no-such-bucket", Key: "k", Body: "x" }))),
    otherwise: otherCode,
  },
  {
    id: "date-header",
    question: "does each answer carry the store's time?",
    aws: "yes",
    ask: async (bench) => {
      const { headers } = await bench.raw({ method: "GET", path: `/${await bench.bucket("plain")}` });
      const date = Date.parse(headers.get("date") ?? "");
      if (Number.isNaN(date)) return "no";
      return Math.abs(date - Date.now()) < 10_000 ? "yes" : "yes, a wrong one";
    },
    otherwise: {
      dropZone: "The mover can't compare its clock with the store's.",
      vault: "The mover can't compare its clock with the store's.",
    },
  },
  {
    id: "head-bucket",
    question: "HEAD of a bucket, by its owner",
    aws: "200",
    ask: async (bench) => statusOf(bench.owner.send(new HeadBucketCommand({ Bucket: await bench.bucket("plain") }))),
    otherwise: otherCode,
  },
];

async function unsigned(bench: Bench, method: "GET" | "PUT"): Promise<string> {
  const url = new URL(`/${await bench.bucket("plain")}/${bench.freshKey()}`, bench.account.endpoint);
  const init = { method, signal: AbortSignal.timeout(30_000), ...(method === "PUT" ? { body: "x" } : {}) };
  const response = await fetch(url, init);
  return plainAnswerOf({ status: response.status, headers: response.headers, text: await response.text() });
}

export const authentication: Area = { title: "Who may speak", checks };
