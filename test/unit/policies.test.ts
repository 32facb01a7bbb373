import assert from "node:assert/strict";
import { test } from "node:test";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy, operatorPolicy } from "../../shared/policies.ts";

/** IAM's limit for a managed policy, white space not counted. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MANAGED_POLICY_CHARACTERS = 6144;

test("each policy fits into a managed policy, with the longest bucket and host names that there are", () => {
  const bucket = "b".repeat(63);
  const secureTransport = true;
  const policies = [
    hostPolicy({ bucket, host: "h".repeat(63), secureTransport }),
    moverDropZonePolicy({ bucket, secureTransport, versioned: true }),
    moverVaultPolicy({ bucket, secureTransport, verify: "readback" }),
    operatorPolicy({ bucket, secureTransport }),
  ];
  for (const policy of policies) assert.ok(JSON.stringify(policy).length <= MANAGED_POLICY_CHARACTERS);
});
