import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  DeleteObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { refusal, startTestServer, type TestServer } from "./testing.ts";

const dayMs = 86_400_000;
let nowMs = Date.now();
let fixture: TestServer;

before(async () => {
  fixture = await startTestServer({ clock: () => nowMs, signingClock: Date.now });
  fixture.account.createBucket("locked", { objectLock: true });
  fixture.account.createBucket("default", { objectLock: { mode: "COMPLIANCE", days: 3 } });
  fixture.account.createBucket("open", { versioning: true });
});
after(() => fixture[Symbol.asyncDispose]());

interface Stored {
  readonly target: { readonly Bucket: string; readonly Key: string; readonly VersionId: string };
  remove(BypassGovernanceRetention?: boolean): Promise<unknown>;
  retain(Mode: "GOVERNANCE" | "COMPLIANCE", days: number, bypass?: boolean): Promise<unknown>;
}

async function store(Bucket: string, rest: Partial<PutObjectCommandInput> = {}): Promise<Stored> {
  const Key = "k";
  const { VersionId = "" } = await fixture.client.send(new PutObjectCommand({ Bucket, Key, Body: "x", ...rest }));
  const target = { Bucket, Key, VersionId };
  return {
    target,
    remove: (bypass = false) =>
      fixture.client.send(new DeleteObjectCommand({ ...target, BypassGovernanceRetention: bypass })),
    retain: (Mode, days, bypass = false) =>
      fixture.client.send(
        new PutObjectRetentionCommand({
          ...target,
          Retention: { Mode, RetainUntilDate: new Date(nowMs + days * dayMs) },
          BypassGovernanceRetention: bypass,
        }),
      ),
  };
}

const until = (days: number): Date => new Date(nowMs + days * dayMs);

test("a version under compliance can't be removed or shortened by anyone until its time has come", async () => {
  const stored = await store("locked", { ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: until(2) });
  assert.equal(await refusal(stored.remove()), "403 AccessDenied");
  assert.equal(await refusal(stored.remove(true)), "403 AccessDenied");
  assert.equal(await refusal(stored.retain("COMPLIANCE", 1, true)), "403 AccessDenied");
  assert.equal(await refusal(stored.retain("GOVERNANCE", 9, true)), "403 AccessDenied");
  await stored.retain("COMPLIANCE", 3);
  nowMs += 2.5 * dayMs;
  assert.equal(await refusal(stored.remove()), "403 AccessDenied");
  nowMs += dayMs;
  await stored.remove();
});

test("governance yields only to who asks to bypass it and may", async () => {
  const stored = await store("locked", { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: until(2) });
  const user = fixture.account.createUser("keeper", {
    Statement: { Effect: "Allow", Action: ["s3:DeleteObjectVersion", "s3:PutObjectRetention"], Resource: "*" },
  });
  const keeper = fixture.clientOf(user);
  const remove = new DeleteObjectCommand({ ...stored.target, BypassGovernanceRetention: true });
  assert.equal(await refusal(keeper.send(remove)), "403 AccessDenied");
  assert.equal(await refusal(stored.remove()), "403 AccessDenied");
  assert.equal(await refusal(stored.retain("GOVERNANCE", 1)), "403 AccessDenied");
  await stored.retain("GOVERNANCE", 1, true);
  fixture.account.setUserPolicies("keeper", {
    Statement: { Effect: "Allow", Action: ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"], Resource: "*" },
  });
  await keeper.send(remove);
});

test("a plain delete only adds a marker, which can be removed", async () => {
  const stored = await store("locked", { ObjectLockMode: "COMPLIANCE", ObjectLockRetainUntilDate: until(1) });
  const marker = await fixture.client.send(new DeleteObjectCommand({ Bucket: "locked", Key: "k" }));
  assert.equal(marker.DeleteMarker, true);
  await fixture.client.send(new DeleteObjectCommand({ Bucket: "locked", Key: "k", VersionId: marker.VersionId }));
  await fixture.client.send(new HeadObjectCommand(stored.target));
});

test("a legal hold holds until it is taken off", async () => {
  const stored = await store("locked", { ObjectLockLegalHoldStatus: "ON" });
  assert.equal(await refusal(stored.remove(true)), "403 AccessDenied");
  const { LegalHold } = await fixture.client.send(new GetObjectLegalHoldCommand(stored.target));
  assert.equal(LegalHold?.Status, "ON");
  await fixture.client.send(new PutObjectLegalHoldCommand({ ...stored.target, LegalHold: { Status: "OFF" } }));
  await stored.remove();
});

test("the bucket's default applies to what says nothing, and needs an integrity check", async () => {
  const stored = await store("default");
  const { Retention } = await fixture.client.send(new GetObjectRetentionCommand(stored.target));
  assert.deepEqual(
    [Retention?.Mode, Math.round(((Retention?.RetainUntilDate?.getTime() ?? 0) - nowMs) / dayMs)],
    ["COMPLIANCE", 3],
  );
  const head = await fixture.client.send(new HeadObjectCommand(stored.target));
  assert.equal(head.ObjectLockMode, "COMPLIANCE");
  const bare = fixture.clientOf(fixture.account.owner, { requestChecksumCalculation: "WHEN_REQUIRED" });
  assert.equal(
    await refusal(bare.send(new PutObjectCommand({ Bucket: "default", Key: "bare", Body: "x" }))),
    "400 InvalidRequest",
  );
  const { ObjectLockConfiguration } = await fixture.client.send(
    new GetObjectLockConfigurationCommand({ Bucket: "default" }),
  );
  assert.deepEqual(ObjectLockConfiguration, {
    ObjectLockEnabled: "Enabled",
    Rule: { DefaultRetention: { Mode: "COMPLIANCE", Days: 3 } },
  });
});

test("locks need a bucket with Object Lock, which stays versioned", async () => {
  const { client } = fixture;
  assert.equal(await refusal(store("open", { ObjectLockLegalHoldStatus: "ON" })), "400 InvalidRequest");
  assert.equal(await refusal(store("locked", { ObjectLockMode: "GOVERNANCE" })), "400 InvalidArgument");
  assert.equal(
    await refusal(store("locked", { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: until(-1) })),
    "400 InvalidArgument",
  );
  const stored = await store("open");
  assert.equal(await refusal(stored.retain("GOVERNANCE", 1)), "400 InvalidRequest");
  assert.equal(
    await refusal(client.send(new GetObjectLockConfigurationCommand({ Bucket: "open" }))),
    "404 ObjectLockConfigurationNotFoundError",
  );
  assert.equal(
    await refusal(client.send(new GetObjectRetentionCommand((await store("locked")).target))),
    "404 NoSuchObjectLockConfiguration",
  );
  const suspend = new PutBucketVersioningCommand({
    Bucket: "locked",
    VersioningConfiguration: { Status: "Suspended" },
  });
  assert.equal(await refusal(client.send(suspend)), "409 InvalidBucketState");
  await client.send(
    new PutObjectLockConfigurationCommand({
      Bucket: "open",
      ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" },
    }),
  );
  await store("open", { ObjectLockLegalHoldStatus: "ON" });
});
