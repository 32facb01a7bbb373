import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { hostPolicy } from "../../../shared/policies.ts";
import type { PolicyDocument } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";
import { readDropZone } from "./drop-zone.ts";

interface Checked {
  readonly exit: number | null;
  readonly stderr: string;
  readonly got: ReadonlyMap<string, string>;
  readonly excess: readonly string[];
  readonly policy: unknown;
}

describe("airlock-uploader check", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  const own = hostPolicy({ bucket: DROP_ZONE, host: "web1", secureTransport: false });

  async function check(policy: PolicyDocument): Promise<Checked> {
    world.dropZoneAccount.setUserPolicies("web1", policy);
    const { exit, stdout, stderr } = await world.run("uploader", ["--json", "check"]);
    const value = JSON.parse(stdout) as {
      findings: { power: string; got: string; isExcess: boolean }[];
      policy?: unknown;
    };
    return {
      exit,
      stderr,
      got: new Map(value.findings.map(({ power, got }) => [power, got])),
      excess: value.findings.filter(({ isExcess }) => isExcess).map(({ power }) => power),
      policy: value.policy,
    };
  }

  const allow = (Action: string | string[], Resource: string | string[]): PolicyDocument => ({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action, Resource }],
  });
  const objects = `arn:aws:s3:::${DROP_ZONE}/web1/*`;

  it("finds nothing wrong with the key that `init` describes, every answer a definite one", async () => {
    const { exit, got, excess, stderr } = await check(own);
    assert.equal(exit, 0, stderr);
    assert.deepEqual(excess, []);
    assert.equal(got.get("create an object of its own"), "allowed");
    assert.equal(got.get("create an object that is there"), "exists");
    const others = [...got].filter(([power]) => !power.startsWith("create"));
    assert.ok(others.length >= 18);
    for (const [power, verdict] of others) assert.equal(verdict, "denied", power);
  });

  it("names everything that a key without limits can do, and prints the policy that mends it", async () => {
    const { exit, got, excess, policy } = await check(
      allow("s3:*", [`arn:aws:s3:::${DROP_ZONE}`, `arn:aws:s3:::${DROP_ZONE}/*`]),
    );
    assert.equal(exit, 7);
    // Documents that no store accepts tell apart only who may not.
    // Nor does a bucket that takes no ACLs, as new ones do.
    const undecided = new Set([
      "set an object's retention",
      "set an object's ACL",
      "set the bucket's policy",
      "create an object that is there",
      "create an object of its own",
    ]);
    for (const [power, verdict] of got) {
      if (!undecided.has(power)) assert.equal(verdict, "allowed", power);
      if (verdict === "allowed" && power !== "create an object of its own") assert.ok(excess.includes(power), power);
    }
    assert.deepEqual(policy, own);
  });

  it("finds a key that may overwrite", async () => {
    const { exit, excess } = await check(allow("s3:PutObject", objects));
    assert.equal(exit, 7);
    assert.deepEqual(excess, ["overwrite an object of its own"]);
  });

  it("finds a prefix without its slash", async () => {
    const { exit, excess } = await check(allow("s3:PutObject", `arn:aws:s3:::${DROP_ZONE}/web1*`));
    assert.equal(exit, 7);
    assert.deepEqual(excess, ["overwrite an object of its own", "write under a prefix that begins like its own"]);
  });

  it("finds a key that may read", async () => {
    const { exit, excess } = await check(allow(["s3:PutObject", "s3:GetObject"], objects));
    assert.equal(exit, 7);
    for (const power of ["read an object", "ask for an object's headers", "copy an object"])
      assert.ok(excess.includes(power), power);
  });

  it("fails with access-denied where the key can't even create", async () => {
    world.dropZoneAccount.setUserPolicies("web1", allow("s3:ListBucket", `arn:aws:s3:::${DROP_ZONE}`));
    const { exit, stderr } = await world.run("uploader", ["check"]);
    assert.equal(exit, 4);
    assert.match(stderr, /denies/);
  });

  it("shows people a table", async () => {
    world.dropZoneAccount.setUserPolicies("web1", allow("s3:PutObject", objects));
    const { exit, stdout, stderr } = await world.run("uploader", ["check"]);
    assert.equal(exit, 7);
    assert.match(stdout, /^ +POWER +EXPECTED +GOT\n/);
    assert.match(stdout, /\nEXCESS +overwrite an object of its own +denied +allowed/);
    assert.match(stdout, /\nok +read an object +denied +denied\n/);
    assert.match(stderr, /can do more than it should: overwrite an object of its own\n.*policy/);
  });

  it("leaves only its own signed object behind when the key is right", async () => {
    await using fresh = await startWorld();
    const { exit } = await fresh.run("uploader", ["check"]);
    assert.equal(exit, 0);
    const { objects: stored, alone } = await readDropZone(fresh);
    assert.deepEqual(
      stored.map(({ statement }) => statement.set),
      ["check"],
    );
    assert.equal(alone.length, 0);
  });
});
