import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { parsePolicy, type PolicyDocument, type PolicyStatement } from "./policy.ts";
import { refusal, startTestServer, type TestServer } from "./testing.ts";
import { compilePattern, matchPattern } from "./wildcard.ts";

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

test("wildcards match as in policies, in time that does not explode", () => {
  const matches = (pattern: string, text: string): boolean => matchPattern(compilePattern(pattern), text);
  assert.ok(matches("arn:aws:s3:::b/*/x?z", "arn:aws:s3:::b/a/b\n/xyz"));
  assert.ok(!matches("arn:aws:s3:::b/?", "arn:aws:s3:::b/"));
  assert.ok(matches("a${*}b", "a*b"));
  assert.ok(!matches("a${*}b", "axb"));
  const began = performance.now();
  assert.ok(!matches(`${"*a".repeat(50)}b`, "a".repeat(10_000)));
  assert.ok(performance.now() - began < 1000);
});

test("nothing is allowed by default, and an explicit Deny wins over every Allow", async () => {
  assert.equal(await refusal(user().send(put("k"))), "403 AccessDenied");
  const denied = user(allow("s3:*", "*"), {
    Effect: "Deny",
    Action: "s3:PutObject",
    Resource: "arn:aws:s3:::bucket/secret/*",
  });
  await denied.send(put("open/k"));
  assert.equal(await refusal(denied.send(put("secret/k"))), "403 AccessDenied");
});

test("NotAction and NotResource mean everything else", async () => {
  const client = user(
    allow("s3:*", "*"),
    { Effect: "Deny", NotAction: ["s3:PutObject", "s3:ListBucket"], Resource: "*" },
    { Effect: "Deny", Action: "s3:PutObject", NotResource: "arn:aws:s3:::bucket/mine/*" },
  );
  await client.send(put("mine/k"));
  await client.send(new ListObjectsV2Command({ Bucket: "bucket" }));
  assert.equal(await refusal(client.send(put("yours/k"))), "403 AccessDenied");
  assert.equal(
    await refusal(client.send(new GetObjectCommand({ Bucket: "bucket", Key: "mine/k" }))),
    "403 AccessDenied",
  );
});

test("a user's name stands in for ${aws:username}", async () => {
  const name = `web${serial++}`;
  const credentials = fixture.account.createUser(
    name,
    policy(allow("s3:PutObject", "arn:aws:s3:::bucket/${aws:username}/*")),
  );
  const client = fixture.clientOf(credentials);
  await client.send(put(`${name}/k`));
  assert.equal(await refusal(client.send(put(`${name}x/k`))), "403 AccessDenied");
});

test("a create-only key can neither overwrite nor upload unconditionally, by PUT or in parts", async () => {
  const client = user(
    allow("s3:PutObject", objects, { Condition: { Null: { "s3:if-none-match": "false" } } }),
    allow("s3:PutObject", objects, { Condition: { Bool: { "s3:ObjectCreationOperation": "false" } } }),
  );
  assert.equal(await refusal(client.send(put("created"))), "403 AccessDenied");
  await client.send(put("created", { IfNoneMatch: "*" }));
  assert.equal(await refusal(client.send(put("created", { IfNoneMatch: "*" }))), "412 PreconditionFailed");

  const target = { Bucket: "bucket", Key: "created-in-parts" };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: "CRC32" }));
  const part = await client.send(
    new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: "part", ChecksumAlgorithm: "CRC32" }),
  );
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }] };
  assert.equal(
    await refusal(client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload }))),
    "403 AccessDenied",
  );
  await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload, IfNoneMatch: "*" }));
  assert.equal(
    await refusal(client.send(new AbortMultipartUploadCommand({ ...target, UploadId }))),
    "403 AccessDenied",
  );
  assert.equal(
    await refusal(client.send(new CopyObjectCommand({ ...target, CopySource: "bucket/created" }))),
    "403 AccessDenied",
  );
});

test("conditions: StringLike, StringNotEquals, IfExists and missing keys", async () => {
  const client = user(
    allow("s3:ListBucket", "arn:aws:s3:::bucket", { Condition: { StringLike: { "s3:prefix": ["a/*", "b?"] } } }),
    allow("s3:PutObject", objects, {
      Condition: { StringEqualsIfExists: { "s3:x-amz-storage-class": "STANDARD_IA" } },
    }),
    allow("s3:GetObjectVersion", objects, { Condition: { StringNotEquals: { "s3:VersionId": "null" } } }),
  );
  const list = (Prefix?: string): ListObjectsV2Command =>
    new ListObjectsV2Command({ Bucket: "bucket", ...(Prefix === undefined ? {} : { Prefix }) });
  await client.send(list("a/1"));
  await client.send(list("b2"));
  assert.equal(await refusal(client.send(list("c"))), "403 AccessDenied");
  assert.equal(await refusal(client.send(list())), "403 AccessDenied");
  const { VersionId } = await client.send(put("plain"));
  await client.send(put("infrequent", { StorageClass: "STANDARD_IA" }));
  assert.equal(await refusal(client.send(put("other", { StorageClass: "GLACIER" }))), "403 AccessDenied");
  await client.send(new GetObjectCommand({ Bucket: "bucket", Key: "plain", VersionId }));
  assert.equal(
    await refusal(client.send(new GetObjectCommand({ Bucket: "bucket", Key: "plain", VersionId: "null" }))),
    "403 AccessDenied",
  );
});

test("conditions on an object's own tags and on the request's", async () => {
  const tagged = user(
    allow("s3:GetObject", objects, { Condition: { StringEquals: { "s3:ExistingObjectTag/Open": "yes" } } }),
    allow(["s3:PutObject", "s3:PutObjectTagging"], objects, {
      Condition: { StringEquals: { "s3:RequestObjectTag/Team": "ops" } },
    }),
  );
  await fixture.client.send(put("open", { Tagging: "Open=yes" }));
  await fixture.client.send(put("shut", { Tagging: "Open=no" }));
  await tagged.send(new GetObjectCommand({ Bucket: "bucket", Key: "open" }));
  assert.equal(await refusal(tagged.send(new GetObjectCommand({ Bucket: "bucket", Key: "shut" }))), "403 AccessDenied");
  await tagged.send(put("team", { Tagging: "Team=ops" }));
  assert.equal(await refusal(tagged.send(put("team", { Tagging: "Team=dev" }))), "403 AccessDenied");
});

test("each header that does more than put needs its own permission", async () => {
  const client = user(allow("s3:PutObject", objects));
  await client.send(put("plain"));
  assert.equal(await refusal(client.send(put("tagged", { Tagging: "a=1" }))), "403 AccessDenied");
  assert.equal(await refusal(client.send(put("acl", { ACL: "public-read" }))), "403 AccessDenied");
  assert.equal(await refusal(client.send(put("held", { ObjectLockLegalHoldStatus: "ON" }))), "403 AccessDenied");
  assert.equal(await refusal(client.send(put("plain", { IfMatch: '"x"' }))), "403 AccessDenied");
  const until = new Date(Date.now() + 1e7);
  assert.equal(
    await refusal(client.send(put("kept", { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: until }))),
    "403 AccessDenied",
  );
  const tagger = user(allow(["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectAcl"], objects));
  await tagger.send(put("tagged", { Tagging: "a=1" }));
  assert.equal(await refusal(tagger.send(put("acl", { ACL: "public-read" }))), "400 AccessControlListNotSupported");
  await tagger.send(put("acl", { ACL: "bucket-owner-full-control" }));
});

test("versions have permissions of their own", async () => {
  const owner = fixture.client;
  const { VersionId } = await owner.send(put("versioned"));
  const plain = user(
    allow(
      ["s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:PutObjectTagging"],
      ["arn:aws:s3:::bucket", objects],
    ),
  );
  const target = { Bucket: "bucket", Key: "versioned" };
  await plain.send(new GetObjectCommand(target));
  await plain.send(new PutObjectTaggingCommand({ ...target, Tagging: { TagSet: [] } }));
  assert.equal(
    await refusal(plain.send(new PutObjectTaggingCommand({ ...target, VersionId, Tagging: { TagSet: [] } }))),
    "403 AccessDenied",
  );
  assert.equal(await refusal(plain.send(new GetObjectCommand({ ...target, VersionId }))), "403 AccessDenied");
  assert.equal(await refusal(plain.send(new DeleteObjectCommand({ ...target, VersionId }))), "403 AccessDenied");
  assert.equal(await refusal(plain.send(new ListObjectVersionsCommand({ Bucket: "bucket" }))), "403 AccessDenied");
  await plain.send(new DeleteObjectCommand(target));
  const exact = user(allow("s3:DeleteObjectVersion", objects));
  assert.equal(await refusal(exact.send(new DeleteObjectCommand(target))), "403 AccessDenied");
  await exact.send(new DeleteObjectCommand({ ...target, VersionId }));
});

test("who may not list is told 403 for what is missing, who may is told 404", async () => {
  const blind = user(allow(["s3:GetObject", "s3:GetObjectVersion"], objects));
  const seeing = user(
    allow(["s3:GetObject", "s3:GetObjectVersion"], objects),
    allow("s3:ListBucket", "arn:aws:s3:::bucket"),
  );
  const missing = new GetObjectCommand({ Bucket: "bucket", Key: "missing" });
  const head = new HeadObjectCommand({ Bucket: "bucket", Key: "missing" });
  const version = new GetObjectCommand({ Bucket: "bucket", Key: "missing", VersionId: "A".repeat(32) });
  assert.equal(await refusal(blind.send(missing)), "403 AccessDenied");
  assert.match(await refusal(blind.send(head)), /^403/);
  assert.equal(await refusal(blind.send(version)), "403 AccessDenied");
  assert.equal(await refusal(seeing.send(missing)), "404 NoSuchKey");
  assert.match(await refusal(seeing.send(head)), /^404/);
  assert.equal(await refusal(seeing.send(version)), "404 NoSuchVersion");
  assert.equal(await refusal(seeing.send(new GetObjectCommand({ Bucket: "nowhere", Key: "k" }))), "404 NoSuchBucket");
});

test("policies that are not understood are refused, never ignored", () => {
  const parse = (statement: object): unknown =>
    parsePolicy({ Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*", ...statement }] }, "identity");
  parse({});
  const unknown = [
    { Effect: "allow" },
    { Condition: { StringFuzzy: { "s3:prefix": "a" } } },
    { Condition: { StringLike: { prefix: "a" } } },
    { Principal: "*" },
    { Extra: 1 },
    { Action: undefined, NotAction: 1 },
    { Resource: "bucket" },
  ];
  for (const statement of unknown) assert.throws(() => parse(statement), { code: "MalformedPolicy" });
});
