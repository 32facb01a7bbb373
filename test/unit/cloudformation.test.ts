import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { formatPolicy, IAM_FOLDER, POLICIES } from "../../scripts/write-policies.ts";
import {
  dropZoneBucketPolicy,
  hostPolicy,
  moverDropZonePolicy,
  moverVaultPolicy,
  operatorPolicy,
  vaultBucketPolicy,
} from "../../shared/policies.ts";
import { policyIn, readTemplate } from "../deploy/template.ts";

const secureTransport = true;
const queueArn = "arn:aws:sqs:eu-central-1:111122223333:airlock-mover-events";
const moverArn = "arn:aws:iam::111122223333:user/airlock-mover";
const names = new Map([
  ["AWS::Partition", "aws"],
  ["BucketName", "acme-bucket"],
  ["Host", "web1"],
  ["Queue.Arn", queueArn],
  ["Mover.Arn", moverArn],
]);
const bucket = "acme-bucket";

test("deploy/iam has the policies of shared/policies.ts and no other (node scripts/write-policies.ts)", async () => {
  assert.deepEqual((await readdir(IAM_FOLDER)).toSorted(), Object.keys(POLICIES).toSorted());
  for (const [name, policy] of Object.entries(POLICIES)) {
    assert.equal(await readFile(join(IAM_FOLDER, name), "utf8"), formatPolicy(policy), name);
  }
});

test("the drop-zone's template has the policies that are printed", async () => {
  const template = await readTemplate("drop-zone");
  const mover = moverDropZonePolicy({ bucket, versioned: true, queueArn, secureTransport });
  assert.deepEqual(policyIn(template, "MoverPolicy", { names }), mover);
  assert.deepEqual(policyIn(template, "BucketPolicy", { names }), dropZoneBucketPolicy({ bucket, moverArn }));
});

test("the vault's template has the policies that are printed", async () => {
  const template = await readTemplate("vault");
  const mover = moverVaultPolicy({ bucket, verify: "checksum", secureTransport });
  assert.deepEqual(policyIn(template, "MoverPolicy", { names }), mover);
  assert.deepEqual(policyIn(template, "OperatorPolicy", { names }), operatorPolicy({ bucket, secureTransport }));
  assert.deepEqual(policyIn(template, "BucketPolicy", { names }), vaultBucketPolicy({ bucket }));
});

test("a host's template has the policy that `init` prints, and the one for foreign writers", async () => {
  const template = await readTemplate("host");
  for (const foreign of [false, true]) {
    const conditions = new Map([["IsForeign", foreign]]);
    const policy = hostPolicy({ bucket, host: "web1", foreign, secureTransport });
    assert.deepEqual(policyIn(template, "Policy", { names, conditions }), policy);
  }
});

test("nothing in the drop-zone expires but uploads that were given up and markers without versions", async () => {
  const { Resources } = await readTemplate("drop-zone");
  assert.deepEqual(Resources["Bucket"]?.Properties["LifecycleConfiguration"], {
    Rules: [
      { Id: "IncompleteUploads", Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 14 } },
      { Id: "LoneDeleteMarkers", Status: "Enabled", ExpiredObjectDeleteMarker: true },
    ],
  });
});

test("in the vault nothing expires, and only what lies below archive/ moves to a cold class", async () => {
  const { Resources } = await readTemplate("vault");
  const text = JSON.stringify(Resources["Bucket"]?.Properties["LifecycleConfiguration"]);
  assert.doesNotMatch(text, /Expir/);
  assert.equal(text.match(/Transitions/g)?.length, 1);
  assert.match(text, /"Prefix":"archive\/","Transitions"/);
});
