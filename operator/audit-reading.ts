/** What a key can read and list. */
import { atThere, may, type Power } from "./audit-power.ts";
import type { Scene } from "./audit-scene.ts";

export function reading(scene: Scene): Power[] {
  const { intended, place, there, nobodys } = scene;
  const { role, readback, host } = intended;
  const reads = readback && role === "mover-vault" ? "allowed" : may(scene, "mover-drop-zone", "operator");
  const lists = may(scene, "mover-drop-zone", "operator");
  return [
    {
      id: "read",
      power: `read an object below ${place}`,
      expected: reads,
      actions: ["s3:GetObject"],
      attempt: atThere(scene, (probe, key, _, signal) => probe.read(key, null, signal)),
    },
    {
      id: "read-version",
      power: "read a version of one",
      expected: reads,
      actions: ["s3:GetObjectVersion"],
      attempt: atThere(scene, (probe, key, versionId, signal) => probe.read(key, versionId ?? "null", signal)),
    },
    {
      id: "head",
      power: "ask for an object's headers",
      expected: reads,
      actions: ["s3:GetObject"],
      attempt: atThere(scene, (probe, key, _, signal) => probe.head(key, signal)),
    },
    {
      id: "read-tags",
      power: "read an object's tags",
      expected: may(scene, "mover-drop-zone"),
      actions: ["s3:GetObjectTagging"],
      attempt: atThere(scene, (probe, key, _, signal) => probe.readTags(key, signal)),
    },
    {
      id: "read-acl",
      power: "read an object's ACL",
      expected: "denied",
      actions: ["s3:GetObjectAcl"],
      attempt: atThere(scene, (probe, key, _, signal) => probe.readMark("ACL", key, signal)),
    },
    {
      id: "read-retention",
      power: "read an object's retention",
      expected: may(scene, "operator"),
      actions: ["s3:GetObjectRetention"],
      attempt: atThere(scene, (probe, key, _, signal) => probe.readMark("retention", key, signal)),
    },
    ...(role === "host" && there !== null
      ? [
          {
            id: "copy",
            power: "copy an object",
            expected: "denied",
            actions: ["s3:GetObject"],
            impliedBy: "read",
            ifUnenforced: "no policy helps: this store does not ask whether a copy's source may be read; encrypt",
            attempt: (probe, signal) => probe.copy(there.key, `${nobodys}.copy`, signal),
          } as const satisfies Power,
        ]
      : []),
    {
      id: "list",
      power: `list objects below ${place}`,
      expected: lists,
      actions: ["s3:ListBucket"],
      attempt: (probe, signal) => probe.list(place, signal),
    },
    {
      id: "list-versions",
      power: "list versions",
      expected: lists,
      actions: ["s3:ListBucketVersions"],
      attempt: (probe, signal) => probe.listVersions(place, signal),
    },
    {
      id: "list-uploads",
      power: "list uploads",
      expected: may(scene, "mover-drop-zone", "mover-vault", "operator"),
      actions: ["s3:ListBucketMultipartUploads"],
      attempt: (probe, signal) => probe.listUploads(place, signal),
    },
    {
      id: "list-buckets",
      power: "list the account's buckets",
      expected: "denied",
      actions: ["s3:ListAllMyBuckets"],
      attempt: (probe, signal) => probe.listBuckets(signal),
    },
    ...(host === null
      ? [
          {
            id: "list-ledger",
            power: "list the ledger",
            expected: may(scene, "mover-vault", "operator"),
            actions: ["s3:ListBucket"],
            attempt: (probe, signal) => probe.list("_airlock/", signal),
          } as const satisfies Power,
        ]
      : []),
  ];
}
