import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  GetBucketAclCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLocationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutBucketAclCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
} from "@aws-sdk/client-s3";
import { refusal, sendRaw, sha256, signRequest, startTestServer, type TestServer } from "./testing.ts";

let fixture: TestServer;

before(async () => {
  fixture = await startTestServer();
  fixture.account.createBucket("bucket");
});
after(() => fixture[Symbol.asyncDispose]());

test("buckets are made, found, listed by their owner and removed when empty", async () => {
  const { client, server, clientOf } = fixture;
  const other = clientOf(server.createAccount("other").owner);
  const create = new CreateBucketCommand({
    Bucket: "made",
    CreateBucketConfiguration: { LocationConstraint: "eu-central-1" },
  });
  await client.send(create);
  assert.equal(await refusal(client.send(create)), "409 BucketAlreadyOwnedByYou");
  assert.equal(await refusal(other.send(create)), "409 BucketAlreadyExists");
  const { BucketRegion } = await client.send(new HeadBucketCommand({ Bucket: "made" }));
  assert.equal(BucketRegion, "eu-central-1");
  assert.match(await refusal(other.send(new HeadBucketCommand({ Bucket: "made" }))), /^403/);
  assert.match(await refusal(client.send(new HeadBucketCommand({ Bucket: "never" }))), /^404/);
  const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket: "made" }));
  assert.equal(LocationConstraint, "eu-central-1");
  const { Buckets } = await client.send(new ListBucketsCommand({}));
  assert.deepEqual(
    Buckets?.map(({ Name }) => Name),
    ["bucket", "made"],
  );
  await client.send(new PutObjectCommand({ Bucket: "made", Key: "k", Body: "x" }));
  assert.equal(await refusal(client.send(new DeleteBucketCommand({ Bucket: "made" }))), "409 BucketNotEmpty");
  assert.equal((await client.send(new GetBucketVersioningCommand({ Bucket: "made" }))).Status, undefined);
});

test("the expected owner is enforced", async () => {
  const { client, account } = fixture;
  const put = (ExpectedBucketOwner: string): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket: "bucket", Key: "k", Body: "x", ExpectedBucketOwner }));
  await put(account.id);
  assert.equal(await refusal(put("111122223333")), "403 AccessDenied");
});

test("policies are kept, refused when malformed, foreign or public, and removed", async () => {
  const { client } = fixture;
  const put = (policy: unknown): Promise<unknown> =>
    client.send(
      new PutBucketPolicyCommand({
        Bucket: "bucket",
        Policy: typeof policy === "string" ? policy : JSON.stringify(policy),
      }),
    );
  const statement = { Effect: "Deny", Principal: "*", Action: "s3:DeleteBucket", Resource: "arn:aws:s3:::bucket" };
  assert.equal(await refusal(client.send(new GetBucketPolicyCommand({ Bucket: "bucket" }))), "404 NoSuchBucketPolicy");
  await put({ Version: "2012-10-17", Statement: [statement] });
  assert.match((await client.send(new GetBucketPolicyCommand({ Bucket: "bucket" }))).Policy ?? "", /DeleteBucket/);
  assert.equal(await refusal(put("{")), "400 MalformedPolicy");
  assert.equal(
    await refusal(put({ Statement: [{ ...statement, Resource: "arn:aws:s3:::other" }] })),
    "400 MalformedPolicy",
  );
  assert.equal(await refusal(put({ Statement: [{ ...statement, Effect: "Allow" }] })), "403 AccessDenied");
  await client.send(new DeleteBucketPolicyCommand({ Bucket: "bucket" }));
  assert.equal(await refusal(client.send(new GetBucketPolicyCommand({ Bucket: "bucket" }))), "404 NoSuchBucketPolicy");
});

test("lifecycle and tags are kept and given back, or said to be missing", async () => {
  const { client } = fixture;
  assert.equal(
    await refusal(client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: "bucket" }))),
    "404 NoSuchLifecycleConfiguration",
  );
  const Rules = [
    {
      ID: "r",
      Status: "Enabled" as const,
      Filter: { Prefix: "a&b/" },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
    },
  ];
  await client.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket: "bucket", LifecycleConfiguration: { Rules } }),
  );
  assert.deepEqual((await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket: "bucket" }))).Rules, Rules);
  assert.equal(await refusal(client.send(new GetBucketTaggingCommand({ Bucket: "bucket" }))), "404 NoSuchTagSet");
  const TagSet = [{ Key: "team", Value: "ops" }];
  await client.send(new PutBucketTaggingCommand({ Bucket: "bucket", Tagging: { TagSet } }));
  assert.deepEqual((await client.send(new GetBucketTaggingCommand({ Bucket: "bucket" }))).TagSet, TagSet);
});

test("ACLs, ownership, encryption and the public access block answer as a new bucket's do", async () => {
  const { client } = fixture;
  const acl = await client.send(new GetBucketAclCommand({ Bucket: "bucket" }));
  assert.deepEqual(
    acl.Grants?.map(({ Permission }) => Permission),
    ["FULL_CONTROL"],
  );
  assert.equal(
    await refusal(client.send(new PutBucketAclCommand({ Bucket: "bucket", ACL: "public-read" }))),
    "400 AccessControlListNotSupported",
  );
  const { OwnershipControls } = await client.send(new GetBucketOwnershipControlsCommand({ Bucket: "bucket" }));
  assert.equal(OwnershipControls?.Rules?.[0]?.ObjectOwnership, "BucketOwnerEnforced");
  const { ServerSideEncryptionConfiguration } = await client.send(new GetBucketEncryptionCommand({ Bucket: "bucket" }));
  assert.equal(
    ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm,
    "AES256",
  );
  const read = async (): Promise<unknown> =>
    (await client.send(new GetPublicAccessBlockCommand({ Bucket: "bucket" }))).PublicAccessBlockConfiguration
      ?.BlockPublicPolicy;
  assert.equal(await read(), true);
  await client.send(
    new PutPublicAccessBlockCommand({ Bucket: "bucket", PublicAccessBlockConfiguration: { BlockPublicPolicy: false } }),
  );
  assert.equal(await read(), false);
});

test("anonymous requests read what a public policy opens, once the public access block is off", async () => {
  const { client, server } = fixture;
  await client.send(new PutObjectCommand({ Bucket: "bucket", Key: "public", Body: "for all" }));
  const get = async (): Promise<string> =>
    (await sendRaw(server.endpoint, { method: "GET", path: "/bucket/public" })).body;
  assert.match(await get(), /AccessDenied/);
  await client.send(new PutPublicAccessBlockCommand({ Bucket: "bucket", PublicAccessBlockConfiguration: {} }));
  const Policy = JSON.stringify({
    Statement: { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket/public" },
  });
  await client.send(new PutBucketPolicyCommand({ Bucket: "bucket", Policy }));
  assert.equal(await get(), "for all");
  await client.send(
    new PutPublicAccessBlockCommand({
      Bucket: "bucket",
      PublicAccessBlockConfiguration: { RestrictPublicBuckets: true },
    }),
  );
  assert.match(await get(), /AccessDenied/);
});

test("a malformed document is told only to who may send one", async () => {
  const { server, account } = fixture;
  const nobody = account.createUser("nobody");
  const probe = async (path: string, method: string, body: string, credentials = account.owner): Promise<string> => {
    const headers = { "content-length": String(body.length), "content-md5": "" };
    const request = { method, path, headers: { "content-length": headers["content-length"] }, body: Buffer.from(body) };
    const signed = signRequest(server, credentials, request, sha256(body));
    const response = await sendRaw(server.endpoint, { ...request, headers: signed.headers });
    return `${response.status} ${/<Code>(.*?)<\/Code>/.exec(response.body)?.[1] ?? ""}`;
  };
  const documents: [string, string, string][] = [
    ["/bucket?versioning", "PUT", "<nonsense/>"],
    ["/bucket?lifecycle", "PUT", "<LifecycleConfiguration><Rule></LifecycleConfiguration>"],
    ["/bucket?object-lock", "PUT", "x"],
    ["/bucket/k?tagging", "PUT", "<Tagging/>"],
    ["/bucket/k?restore", "POST", ""],
    [
      "/bucket?notification",
      "PUT",
      '<!DOCTYPE a [<!ENTITY b "c">]><NotificationConfiguration>&b;</NotificationConfiguration>',
    ],
  ];
  for (const [path, method, body] of documents) {
    assert.equal(await probe(path, method, body), "400 MalformedXML", path);
    assert.equal(await probe(path, method, body, nobody), "403 AccessDenied", path);
  }
  assert.equal(await probe("/bucket?replication", "GET", ""), "501 NotImplemented");
});
