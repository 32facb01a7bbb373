import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeStores, type Intentions } from "../../../shared/s3/judge.ts";
import type { DropZoneFindings } from "../../../shared/s3/probe-drop-zone.ts";
import { chooseIntegrity, type VaultFindings } from "../../../shared/s3/probe-vault.ts";

const DROP_ZONE: DropZoneFindings = {
  versioned: true,
  suspended: false,
  conditionalDelete: "not-needed",
  createOnly: true,
  clockSkewMs: 100,
};
const VAULT: VaultFindings = {
  createOnlyPut: true,
  createOnlyComplete: true,
  refusesWrongChecksum: true,
  refusesWrongPayloadHash: true,
  versioning: "enabled",
  retention: { mode: "COMPLIANCE", days: 30 },
  objectLock: "own",
  clockSkewMs: -900,
  tls: true,
};
const INTENTIONS: Intentions = { verify: "checksum", foreign: false };

function judge(
  dropZone: Partial<DropZoneFindings>,
  vault: Partial<VaultFindings>,
  intentions: Partial<Intentions> = {},
) {
  return judgeStores({ ...DROP_ZONE, ...dropZone }, { ...VAULT, ...vault }, { ...INTENTIONS, ...intentions });
}

function summary(problems: ReturnType<typeof judgeStores>): string[] {
  for (const { what, remedy } of problems) assert.ok(what.length > 20 && remedy.length > 10);
  return problems.map(({ severity, store }) => `${severity} ${store}`);
}

describe("the judgement", () => {
  it("finds nothing wrong with two stores that keep their promises", () => {
    assert.deepEqual(judge({}, {}), []);
    assert.deepEqual(judge({}, {}, { foreign: true, verify: "readback" }), []);
  });

  it("refuses a vault that overwrites, by PUT or by completion, even with readback", () => {
    for (const verify of ["checksum", "readback"] as const) {
      assert.deepEqual(summary(judge({}, { createOnlyPut: false }, { verify })), ["refuse vault"]);
      assert.deepEqual(summary(judge({}, { createOnlyComplete: false }, { verify })), ["refuse vault"]);
    }
  });

  it("refuses a vault that takes altered bytes unless they are read back, and says so", () => {
    const found = { refusesWrongChecksum: false, refusesWrongPayloadHash: false };
    const problems = judge({}, found);
    assert.deepEqual(summary(problems), ["refuse vault"]);
    assert.match(problems[0]?.remedy ?? "", /verify: readback/);
    assert.deepEqual(judge({}, found, { verify: "readback" }), []);
  });

  it("is content with either protection that will be used", () => {
    assert.deepEqual(judge({}, { refusesWrongChecksum: false }), []);
    assert.deepEqual(judge({}, { refusesWrongPayloadHash: false }), []);
    // without TLS the payload hash is what is used, so the checksum does not count
    assert.deepEqual(summary(judge({}, { refusesWrongPayloadHash: false, tls: false })), ["refuse vault"]);
  });

  it("warns of a lock that is the bucket's alone; says nothing where it cannot know", () => {
    assert.deepEqual(summary(judge({}, { objectLock: "none" })), ["warn vault"]);
    assert.deepEqual(judge({}, { objectLock: "unknown" }), []);
  });

  it("refuses foreign objects where versioning is suspended: the next one overwrites the last", () => {
    const found = { suspended: true, conditionalDelete: "honoured" } as const;
    assert.deepEqual(summary(judge(found, {}, { foreign: true, verify: "checksum" })), ["refuse drop-zone"]);
    assert.deepEqual(judge(found, {}), []);
  });

  it("refuses foreign objects in an unversioned drop-zone, where the next one overwrites the last", () => {
    for (const conditionalDelete of ["ignored", "honoured"] as const) {
      const found = { versioned: false, conditionalDelete };
      assert.deepEqual(summary(judge(found, {}, { foreign: true })), ["refuse drop-zone"]);
      assert.deepEqual(judge(found, {}), []);
    }
  });

  it("refuses a drop-zone that nothing could ever leave", () => {
    assert.deepEqual(summary(judge({ versioned: false, conditionalDelete: "refused" }, {})), ["refuse drop-zone"]);
  });

  it("warns of what weakens the promise and breaks nothing", () => {
    assert.deepEqual(summary(judge({ createOnly: false }, {})), ["warn drop-zone"]);
    assert.deepEqual(summary(judge({}, { retention: "none" })), ["warn vault"]);
    assert.deepEqual(summary(judge({}, { retention: { mode: "GOVERNANCE", days: 1 } })), ["warn vault"]);
    assert.deepEqual(summary(judge({}, { retention: "unknown", versioning: "unknown" })), ["warn vault"]);
    assert.deepEqual(summary(judge({}, { versioning: "off" })), ["warn vault"]);
  });

  it("warns of a clock that is off, and refuses one by which requests are refused", () => {
    assert.deepEqual(judge({ clockSkewMs: null }, { clockSkewMs: 1999 }), []);
    const [problem] = judge({ clockSkewMs: 60_000 }, {});
    assert.equal(problem?.severity, "warn");
    assert.match(problem?.what ?? "", /60 s behind/);
    assert.deepEqual(summary(judge({}, { clockSkewMs: -16 * 60_000 })), ["refuse vault"]);
  });
});

describe("chooseIntegrity", () => {
  it("spares the hash over TLS where wrong checksums are refused, and nowhere else", () => {
    assert.equal(chooseIntegrity(VAULT), "checksum-unsigned");
    assert.equal(chooseIntegrity({ ...VAULT, tls: false }), "signed-payload");
    assert.equal(chooseIntegrity({ ...VAULT, refusesWrongChecksum: false }), "signed-payload");
  });
});
