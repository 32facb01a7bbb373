import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  hostPolicy,
  moverDropZonePolicy,
  moverVaultPolicy,
  operatorPolicy,
  type Policy,
} from "../../../shared/policies.ts";

const bucket = "b".repeat(63);
const host = "h".repeat(63);

function actionsOf(policy: Policy, effect: "Allow" | "Deny"): string[] {
  return policy.Statement.filter((statement) => statement.Effect === effect).flatMap(({ Action }) => Action);
}

describe("policies", () => {
  it("fit with the longest names: a host's into a user's inline policies, the others into a managed policy", () => {
    // In characters without white space. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    const [inline, managed] = [2048, 6144];
    const policies = {
      host: hostPolicy({ bucket, host, secureTransport: true }),
      dropZone: moverDropZonePolicy({
        bucket,
        versioned: true,
        queueArn: `arn:aws:sqs:eu-central-1:111122223333:${"q".repeat(80)}`,
        secureTransport: true,
      }),
      vault: moverVaultPolicy({ bucket, verify: "readback", secureTransport: true }),
      operator: operatorPolicy({ bucket, secureTransport: true }),
    };
    for (const [name, policy] of Object.entries(policies)) {
      const { length } = JSON.stringify(policy);
      assert.ok(length <= (name === "host" ? inline : managed), `${name}: ${length}`);
    }
  });

  it("lets a host do exactly one thing, below its own prefix, and only with If-None-Match", () => {
    const policy = hostPolicy({ bucket: "acme", host: "web1", secureTransport: true });
    const allowed = policy.Statement.filter(({ Effect }) => Effect === "Allow");
    assert.deepEqual(
      allowed.map(({ Action, Resource }) => [Action, Resource]),
      [["s3:PutObject", "arn:aws:s3:::acme/web1/*"]],
    );
    const createOnly = policy.Statement.find(({ Sid }) => Sid === "CreateOnly");
    assert.deepEqual(createOnly?.Condition, {
      Null: { "s3:if-none-match": "true" },
      Bool: { "s3:ObjectCreationOperation": "true" },
    });
  });

  it("gives the mover no way to read the archive but for readback, none to remove from it, and none to set retention", () => {
    for (const verify of ["checksum", "readback"] as const) {
      const policy = moverVaultPolicy({ bucket: "vault", verify, secureTransport: true });
      const reads = policy.Statement.filter(
        ({ Effect, Action }) => Effect === "Allow" && [Action].flat().includes("s3:GetObject"),
      );
      assert.deepEqual(
        reads.map(({ Resource }) => Resource),
        verify === "readback"
          ? ["arn:aws:s3:::vault/_airlock/*", "arn:aws:s3:::vault/archive/*"]
          : ["arn:aws:s3:::vault/_airlock/*"],
      );
      for (const action of actionsOf(policy, "Allow"))
        assert.doesNotMatch(action, /Delete|(?<!^s3:GetObject)Retention|LegalHold|Acl|Bypass|\*/);
      for (const denied of ["s3:DeleteObject*", "s3:PutObjectRetention", "s3:BypassGovernanceRetention"])
        assert.ok(actionsOf(policy, "Deny").includes(denied));
    }
  });

  it("lets the mover delete versions only, where the drop-zone keeps versions", () => {
    const everywhere = (versioned: boolean): (string | readonly string[])[] =>
      moverDropZonePolicy({ bucket: "acme", versioned, secureTransport: true })
        .Statement.filter(({ Effect, Resource }) => Effect === "Allow" && Resource === "arn:aws:s3:::acme/*")
        .map(({ Action }) => Action)
        .filter((action) => [action].flat().some((name) => name.startsWith("s3:Delete")));
    assert.deepEqual(everywhere(true), ["s3:DeleteObjectVersion"]);
    assert.deepEqual(everywhere(false), ["s3:DeleteObject"]);
  });

  it("lets the operator write nothing", () => {
    for (const action of actionsOf(operatorPolicy({ bucket: "vault", secureTransport: true }), "Allow"))
      assert.match(action, /^s3:(Get|List)/);
  });

  it("insists on TLS unless told otherwise", () => {
    const insists = (secureTransport: boolean): boolean =>
      [hostPolicy({ bucket, host, secureTransport }), operatorPolicy({ bucket, secureTransport })].every(
        ({ Statement }) => Statement.some(({ Condition }) => Condition?.Bool?.["aws:SecureTransport"] === "false"),
      );
    assert.ok(insists(true));
    assert.ok(!insists(false));
  });
});
