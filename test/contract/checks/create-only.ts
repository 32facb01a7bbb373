import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { answerOf } from "../bench.ts";
import type { Bench } from "../bench.ts";
import type { Area, Check, Meaning } from "../check.ts";
import { hostPolicy, neverPolicy } from "../policies.ts";

function createOnlyMeaning(answer: string): Meaning {
  const vault =
    "The same holds for the mover's key: Object Lock is what keeps a taken mover from hiding old objects behind new ones.";
  if (!answer.startsWith("2")) return { dropZone: "Hosts can't upload.", vault: "The mover can't archive." };
  return {
    dropZone:
      "Policies can't enforce create-only: in a versioned bucket, what a taken host writes over stays until it is moved.",
    vault,
  };
}

const checks: readonly Check[] = (["plain", "versioned"] as const).flatMap((kind): Check[] => {
  const stage = async (bench: Bench) => {
    const Bucket = await bench.bucket(kind);
    const host = await bench.user("host", Bucket, [hostPolicy(Bucket, "h1")]);
    return { host, at: { Bucket, Key: bench.freshKey("h1") } };
  };
  const check = (id: string, question: string, aws: string, ask: Check["ask"]): Check => ({
    id: `host-${id}-${kind}`,
    question: `${question}, ${kind === "plain" ? "no versions" : kind}, with a host's key`,
    aws,
    ask,
    otherwise: (answer) => createOnlyMeaning(answer),
  });
  return [
    check("put", "PUT with `If-None-Match: *`", "200", async (bench) => {
      const { host, at } = await stage(bench);
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" })));
    }),
    check("bare-put", "PUT without a condition", "403 AccessDenied", async (bench) => {
      const { host, at } = await stage(bench);
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x" })));
    }),
    check("overwrite", "PUT with `If-None-Match: *` over an object", "412 PreconditionFailed", async (bench) => {
      const { host, at } = await stage(bench);
      await bench.owner.send(new PutObjectCommand({ ...at, Body: "first" }));
      return answerOf(host.send(new PutObjectCommand({ ...at, Body: "x", IfNoneMatch: "*" })));
    }),
    check("multipart", "multipart upload, completed with `If-None-Match: *`", "200 200 200", async (bench) => {
      const { host, at } = await stage(bench);
      return uploadMultipart(host, at, { IfNoneMatch: "*" });
    }),
    check(
      "bare-multipart",
      "multipart upload, completed without a condition",
      "200 200 403 AccessDenied",
      async (bench) => {
        const { host, at } = await stage(bench);
        return uploadMultipart(host, at, {});
      },
    ),
  ];
});

/** The answers to Create, UploadPart and Complete, up to the first refusal. */
async function uploadMultipart(
  host: S3Client,
  at: { Bucket: string; Key: string },
  condition: { IfNoneMatch?: string },
): Promise<string> {
  const answers: string[] = [];
  let UploadId: string | undefined;
  let ETag: string | undefined;
  answers.push(
    await answerOf(host.send(new CreateMultipartUploadCommand(at)).then((it) => ((UploadId = it.UploadId), it))),
  );
  if (UploadId === undefined) return answers.join(" ");
  const part = new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: "x" });
  answers.push(await answerOf(host.send(part).then((it) => ((ETag = it.ETag), it))));
  if (ETag === undefined) return answers.join(" ");
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
  const complete = new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, ...condition });
  answers.push(await answerOf(host.send(complete)));
  return answers.join(" ");
}

const conditionsIgnored =
  "Conditions in policies have no effect: what is allowed on one is allowed, what is denied on one is denied always. All other questions were asked with policies from which such denials were left out.";

const conditions: Check = {
  id: "conditions",
  question: "PUT by a user whose policy allows it from another network only",
  aws: "403 AccessDenied",
  ask: async (bench) => {
    const Bucket = await bench.bucket("plain");
    const user = await bench.user("never", Bucket, [neverPolicy(Bucket, "h5")]);
    return answerOf(user.send(new PutObjectCommand({ Bucket, Key: bench.freshKey("h5"), Body: "x" })));
  },
  otherwise: { dropZone: conditionsIgnored, vault: conditionsIgnored },
};

export const createOnly: Area = {
  title: "A host's key creates, and never writes over",
  checks: [conditions, ...checks],
};
