/** What a key can change or remove of what is there: objects' marks, the bucket's settings, objects. */
import { newToken } from "../shared/names.ts";
import type { BucketSetting, ObjectMark } from "../shared/s3/spoiled.ts";
import { atThere, idOf, may, type Power } from "./audit-power.ts";
import type { Scene } from "./audit-scene.ts";

export function marking(scene: Scene): Power[] {
  const mark = (what: ObjectMark, power: string, ...actions: string[]): Power => ({
    id: `mark-${idOf(what)}`,
    power,
    expected: "denied",
    actions,
    attempt: atThere(scene, async (probe, key, _, signal) => {
      const tried = await probe.markObject(what, key, signal);
      // said to everybody where there is no Object Lock; in a vault it is said of what was sent
      const takesNone =
        scene.intended.host !== null && tried.s3Code === "InvalidRequest" && /retention|hold/.test(what);
      return takesNone ? { verdict: "denied", detail: "this bucket takes none (InvalidRequest)" } : tried;
    }),
  });
  return [
    mark("tags", "tag an object", "s3:PutObjectTagging"),
    mark("ACL", "set an object's ACL", "s3:PutObjectAcl"),
    mark("retention", "set, extend or shorten a retention", "s3:PutObjectRetention"),
    mark(
      "retention, bypassing governance",
      "shorten a retention in governance mode",
      "s3:BypassGovernanceRetention",
      "s3:PutObjectRetention",
    ),
    mark("legal hold", "set or lift a legal hold", "s3:PutObjectLegalHold"),
    mark("restoration", "have an object brought back from an archive class", "s3:RestoreObject"),
  ];
}

export function governing(scene: Scene): Power[] {
  const { takesAnything, there } = scene;
  const set = (setting: BucketSetting, action: string, power = `set the bucket's ${setting}`): Power => ({
    id: `set-${idOf(setting)}`,
    power,
    expected: "denied",
    actions: [action],
    attempt: async (probe, signal) => {
      if (setting === "policy") return probe.setPolicy(takesAnything, signal);
      // the one other setting that such a store was seen to take from what is no document
      if (setting === "website" && takesAnything) {
        return { verdict: "unknown", detail: "the store takes altered bytes, so nothing is tried that it might keep" };
      }
      return probe.setBucket(setting, signal);
    },
  });
  const inVault = scene.intended.host === null;
  return [
    {
      id: "get-policy",
      power: "read the bucket's policy",
      expected: "denied",
      actions: ["s3:GetBucketPolicy"],
      attempt: (probe, signal) => probe.readSetting("policy", signal),
    },
    {
      id: "get-versioning",
      power: "read the bucket's versioning",
      expected: may(scene, "mover-drop-zone", "mover-vault", "operator"),
      actions: ["s3:GetBucketVersioning"],
      attempt: (probe, signal) => probe.readSetting("versioning", signal),
    },
    {
      id: "get-object-lock",
      power: "read the bucket's Object Lock",
      expected: may(scene, "mover-vault", "operator"),
      actions: ["s3:GetBucketObjectLockConfiguration"],
      attempt: (probe, signal) => probe.readSetting("object lock", signal),
    },
    set("policy", "s3:PutBucketPolicy"),
    set("lifecycle", "s3:PutLifecycleConfiguration"),
    set("versioning", "s3:PutBucketVersioning"),
    set("object lock", "s3:PutBucketObjectLockConfiguration", "set the bucket's Object Lock"),
    set("ACL", "s3:PutBucketAcl"),
    set("notification", "s3:PutBucketNotification", "set the bucket's notifications"),
    set("replication", "s3:PutReplicationConfiguration"),
    set("encryption", "s3:PutEncryptionConfiguration"),
    set("public access block", "s3:PutBucketPublicAccessBlock"),
    set("ownership", "s3:PutBucketOwnershipControls", "set who owns the bucket's objects"),
    set("website", "s3:PutBucketWebsite", "make the bucket a website"),
    set("CORS", "s3:PutBucketCORS", "set the bucket's CORS rules"),
    set("logging", "s3:PutBucketLogging"),
    set("tags", "s3:PutBucketTagging"),
    {
      id: "create-bucket",
      power: "create a bucket",
      expected: "denied",
      actions: ["s3:CreateBucket"],
      attempt: (probe, signal) => probe.createBucket(`airlock-audit-${newToken()}`, signal),
    },
    {
      id: "delete-bucket",
      power: "delete the bucket",
      expected: "denied",
      actions: ["s3:DeleteBucket"],
      attempt: async (probe, signal) => {
        // archived objects stay, and no store removes a bucket that has one; a drop-zone may be empty a moment later
        if (inVault && there !== null) return probe.deleteFullBucket(signal);
        const detail = "not tried: only a bucket that certainly is not empty is safe from it";
        return { verdict: "unknown", detail };
      },
    },
  ];
}

export function removing(scene: Scene): Power[] {
  const { intended, own, nobodys, versioned } = scene;
  const { role } = intended;
  const releases = may(scene, "mover-drop-zone");
  // the mover's own probe object says nothing about the hosts' objects
  const mine = role === "host" ? own : null;
  return [
    {
      id: "delete-batch",
      power: "delete versions in a batch",
      expected: versioned ? releases : "denied",
      actions: ["s3:DeleteObjectVersion"],
      attempt: (probe, signal) => probe.deleteBatch(mine?.key ?? nobodys, mine?.versionId ?? "null", signal),
    },
    {
      id: "delete-version",
      power: "delete a version",
      expected: versioned ? releases : "denied",
      actions: ["s3:DeleteObjectVersion"],
      attempt: async (probe, signal) => {
        if (mine === null || mine.versionId === null) return probe.deleteVersion(mine?.key ?? nobodys, signal);
        return probe.deleteOwn(mine.key, mine.versionId, signal);
      },
    },
    {
      id: "delete",
      power: "delete an object by its name (hide it)",
      expected: versioned ? "denied" : releases,
      actions: ["s3:DeleteObject"],
      attempt: (probe, signal) =>
        mine === null ? probe.hide(nobodys, signal) : probe.deleteOwn(mine.key, null, signal),
    },
  ];
}
