import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { type PolicyDocument, type PolicyStatement } from "./policy.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;
let serial = 0;

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket", { versioning: true });
});
after(() => fixture[Symbol.asyncDispose]());

function policy(...statements: PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements };
}

function allow(
  action: string | string[],
  resource: string | string[],
  rest: Partial<PolicyStatement> = {},
): PolicyStatement {
  return { Effect: "Allow", Action: action, Resource: resource, ...rest };
}

/** A fresh user with these statements. */
function user(...statements: PolicyStatement[]): S3Client {
  return fixture.clientOf(
    fixture.account.createUser(`user${serial++}`, ...(statements.length === 0 ? [] : [policy(...statements)])),
  );
}

const put = (Key: string, rest = {}): PutObjectCommand =>
  new PutObjectCommand({ Bucket: "bucket", Key, Body: "x", ...rest });
const objects = "arn:aws:s3:::bucket/*";

test("each key of DeleteObjects is decided on its own", async () => {
  const owner = fixture.client;
  const mine = await owner.send(put("mine/1"));
  const yours = await owner.send(put("yours/1"));
  const client = user(allow("s3:DeleteObjectVersion", "arn:aws:s3:::bucket/mine/*"));
  const Objects = [
    { Key: "mine/1", VersionId: mine.VersionId },
    { Key: "yours/1", VersionId: yours.VersionId },
    { Key: "mine/1" },
  ];
  const result = await client.send(new DeleteObjectsCommand({ Bucket: "bucket", Delete: { Objects } }));
  assert.deepEqual(
    result.Deleted?.map(({ Key }) => Key),
    ["mine/1"],
  );
  assert.deepEqual(
    result.Errors?.map(({ Key, Code }) => [Key, Code]),
    [
      ["yours/1", "AccessDenied"],
      ["mine/1", "AccessDenied"],
    ],
  );
});

test("a copy needs the right to read its source", async () => {
  await fixture.client.send(put("source"));
  const copy = new CopyObjectCommand({ Bucket: "bucket", Key: "copy", CopySource: "bucket/source" });
  assert.equal(await refusal(user(allow("s3:PutObject", objects)).send(copy)), "403 AccessDenied");
  await user(allow(["s3:PutObject", "s3:GetObject"], objects)).send(copy);
});

test("across accounts, both the identity's and the bucket's policy must allow", async () => {
  const { server, clientOf, account } = fixture;
  const other = server.createAccount("other");
  const both = clientOf(other.createUser("both", policy(allow("s3:GetObject", "*"))));
  const bare = clientOf(other.createUser("bare"));
  const root = clientOf(other.owner);
  const statement = (Principal: PolicyStatement["Principal"]): PolicyStatement => ({
    Effect: "Allow",
    Principal: Principal ?? "*",
    Action: "s3:GetObject",
    Resource: "arn:aws:s3:::shared/*",
  });
  account.createBucket("shared", { policy: policy(statement({ AWS: other.id })) });
  account.createBucket("private");
  await fixture.client.send(new PutObjectCommand({ Bucket: "shared", Key: "k", Body: "x" }));
  const get = new GetObjectCommand({ Bucket: "shared", Key: "k" });
  await both.send(get);
  await root.send(get);
  assert.equal(await refusal(bare.send(get)), "403 AccessDenied");
  assert.equal(await refusal(both.send(new GetObjectCommand({ Bucket: "private", Key: "k" }))), "403 AccessDenied");
  assert.equal(
    await refusal(root.send(new PutObjectCommand({ Bucket: "shared", Key: "k", Body: "y" }))),
    "403 AccessDenied",
  );
});

test("a bucket policy names users of its own account, and denies even the root, who can still repair it", async () => {
  const { account, clientOf, client } = fixture;
  account.createBucket("guarded");
  const named = clientOf(account.createUser("named"));
  const Policy = JSON.stringify(
    policy(
      {
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${account.id}:user/named` },
        Action: "s3:PutObject",
        Resource: "arn:aws:s3:::guarded/*",
      },
      {
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: ["arn:aws:s3:::guarded", "arn:aws:s3:::guarded/*"],
        Condition: { StringNotLike: { "aws:PrincipalArn": "*:user/named" } },
      },
    ),
  );
  await client.send(new PutBucketPolicyCommand({ Bucket: "guarded", Policy }));
  await named.send(new PutObjectCommand({ Bucket: "guarded", Key: "k", Body: "x" }));
  assert.equal(await refusal(client.send(new ListObjectsV2Command({ Bucket: "guarded" }))), "403 AccessDenied");
  const open = JSON.stringify(
    policy({ Effect: "Allow", Principal: { AWS: account.id }, Action: "s3:*", Resource: "arn:aws:s3:::guarded" }),
  );
  await client.send(new PutBucketPolicyCommand({ Bucket: "guarded", Policy: open }));
  await client.send(new ListObjectsV2Command({ Bucket: "guarded" }));
  assert.equal(await refusal(named.send(new ListObjectsV2Command({ Bucket: "guarded" }))), "403 AccessDenied");
});

test("policies see plain HTTP only when the server is told so", async () => {
  const insecure: PolicyStatement = {
    Effect: "Deny",
    Action: "s3:*",
    Resource: "*",
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
  const list = new ListObjectsV2Command({ Bucket: "bucket" });
  await user(allow("s3:*", "*"), insecure).send(list);
  await using plain = await startTestServer({ secureTransport: false });
  plain.account.createBucket("bucket");
  const client = plain.clientOf(plain.account.createUser("u", policy(allow("s3:*", "*"), insecure)));
  assert.equal(await refusal(client.send(list)), "403 AccessDenied");
});
