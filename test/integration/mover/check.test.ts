import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { moverDropZonePolicy, moverVaultPolicy, type Policy } from "../../../shared/policies.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

interface Power {
  readonly power: string;
  readonly expected: string;
  readonly got: string;
  readonly isExcess: boolean;
}

interface Checked {
  readonly exit: number | null;
  readonly stderr: string;
  readonly dropZone: readonly Power[];
  readonly vault: readonly Power[];
  readonly policies: Readonly<Record<string, unknown>>;
}

const EVERYTHING: Policy = {
  Version: "2012-10-17",
  Statement: [{ Sid: "All", Effect: "Allow", Action: "s3:*", Resource: "*" }],
};

describe("airlock-mover check", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  const ownDropZone = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport: false, versioned: true });
  const ownVault = moverVaultPolicy({ bucket: VAULT, secureTransport: false, verify: "checksum" });

  async function check(dropZone: Policy, vault: Policy): Promise<Checked> {
    world.dropZoneAccount.setUserPolicies("mover", dropZone);
    world.vaultAccount.setUserPolicies("mover", vault);
    const { exit, stdout, stderr } = await world.run("mover", ["--json", "check"]);
    const { keys, policies = {} } = JSON.parse(stdout) as {
      keys: { key: string; findings: Power[] }[];
      policies?: Record<string, unknown>;
    };
    const of = (name: string): Power[] => keys.find(({ key }) => key === name)?.findings ?? [];
    return { exit, stderr, dropZone: of("drop-zone"), vault: of("vault"), policies };
  }

  test("before anything is archived: says which powers cannot be tried yet, and of all others what is so", async () => {
    const { exit, dropZone, vault } = await check(ownDropZone, ownVault);
    assert.equal(exit, 0);
    assert.ok(
      dropZone.every(({ expected, got }) => got === expected),
      JSON.stringify(dropZone),
    );
    const unknown = vault.filter(({ expected, got }) => got !== expected);
    assert.deepEqual(
      unknown.map(({ power, got }) => [power, got]),
      [
        ["read an archived object", "unknown"],
        ["read a version of one", "unknown"],
        ["ask for an archived object's headers", "unknown"],
      ],
    );
  });

  test("the keys that `init` describes: every answer a definite one, nothing left behind, exit 0", async () => {
    await world.putSigned("web1", randomBytes(100));
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    const stored = await world.listVault("");
    const { exit, stderr, dropZone, vault, policies } = await check(ownDropZone, ownVault);
    assert.equal(exit, 0, stderr);
    assert.deepEqual(policies, {});
    assert.ok(dropZone.length >= 13 && vault.length >= 22);
    for (const { power, expected, got } of [...dropZone, ...vault]) assert.equal(got, expected, power);
    assert.deepEqual(await world.listVault(""), stored);
    assert.deepEqual(await world.listDropZone(), []);
  });

  test("keys without limits: exit 7, every power named, and the policies that mend it", async () => {
    const { exit, dropZone, vault, policies } = await check(EVERYTHING, EVERYTHING);
    assert.equal(exit, 7);
    for (const { power, expected, isExcess } of [...dropZone, ...vault])
      assert.equal(isExcess, expected === "denied", power);
    assert.deepEqual(policies, { "drop-zone": ownDropZone, vault: ownVault });
    assert.equal((await check(ownDropZone, ownVault)).exit, 0);
  });

  test("one power too many is told apart from all others, in words and with its policy", async () => {
    const more = (policy: Policy, Action: string): Policy => ({
      ...policy,
      Statement: [
        ...policy.Statement.filter(({ Effect }) => Effect === "Allow"),
        { Sid: "More", Effect: "Allow", Action, Resource: "*" },
      ],
    });
    const { exit, vault, policies } = await check(ownDropZone, more(ownVault, "s3:DeleteObjectVersion"));
    assert.equal(exit, 7);
    const excess = vault.filter(({ isExcess }) => isExcess).map(({ power }) => power);
    assert.deepEqual(excess, [
      "overwrite below archive/",
      "overwrite the ledger",
      "delete a version",
      "delete in a batch",
    ]);
    assert.deepEqual(policies, { vault: ownVault });

    const ran = await world.run("mover", ["check"]);
    assert.equal(ran.exit, 7);
    assert.match(ran.stdout, /^EXCESS +delete a version +denied +allowed$/m);
    assert.match(ran.stderr, /the vault's key can do more than it should: .*delete a version/);
    assert.ok(ran.stderr.includes(JSON.stringify(ownVault, null, 2)));
  });

  test("a key that can't do its work: exit 4, and what it lacks", async () => {
    const without = (policy: Policy, sid: string): Policy => ({
      ...policy,
      Statement: policy.Statement.map((statement) =>
        statement.Sid === sid ? { ...statement, Resource: `arn:aws:s3:::${VAULT}/_airlock/*` } : statement,
      ),
    });
    const { exit, vault, policies } = await check(ownDropZone, without(ownVault, "Add"));
    assert.equal(exit, 4);
    const lacking = vault
      .filter(({ expected, got }) => expected === "allowed" && got === "denied")
      .map(({ power }) => power);
    assert.deepEqual(lacking, ["put an object below archive/", "begin an upload below archive/, and abort it"]);
    assert.deepEqual(policies, { vault: ownVault });
  });
});
