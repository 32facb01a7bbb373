/** What a key can bring into being, and what it can do with uploads that are not finished. */
import { newToken } from "../shared/names.ts";
import type { AuditProbe } from "../shared/s3/audit-probe.ts";
import type { Steering } from "../shared/s3/audit-uploads.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";
import type { ObjectMark } from "../shared/s3/spoiled.ts";
import { idOf, may, type Power } from "./audit-power.ts";
import type { Scene } from "./audit-scene.ts";

const CREATE_ONLY_REMEDY =
  "the policy's statement CreateOnly insists on If-None-Match; a store that does not know its condition can't be made to (docs/policies.md): keep versions there";

export function creating(scene: Scene): Power[] {
  const { intended, place, own, created, nobodys } = scene;
  const { role, host, foreign } = intended;
  const elsewhere: readonly (readonly [id: string, power: string, key: string])[] = [
    ...(role === "mover-drop-zone"
      ? [["create-as-host", `create an object in ${host ?? ""}'s place`, nobodys] as const]
      : []),
    ...(role === "host"
      ? ([
          [
            "create-lookalike",
            `create below a prefix that begins like ${place}`,
            `${host ?? ""}-airlock-audit/${newToken()}`,
          ],
        ] as const)
      : []),
    ["create-elsewhere", "create an object elsewhere", `airlock-audit-${newToken()}/x`],
  ];
  return [
    {
      id: "create",
      power: `create an object below ${role === "mover-drop-zone" ? "_airlock/probe/" : place}`,
      expected: may(scene, "host", "mover-drop-zone", "mover-vault"),
      actions: ["s3:PutObject"],
      attempt: async (probe, signal) => created ?? probe.complete(nobodys, true, signal),
    },
    ...(own === null ? [] : [creatingAgain(own.key)]),
    overwriting("overwrite", `overwrite below ${place} (create without If-None-Match)`, nobodys, foreign),
    ...(host === null
      ? [overwriting("overwrite-ledger", "overwrite the ledger", `_airlock/ledger/airlock-audit/${newToken()}`, false)]
      : []),
    ...elsewhere.map(([id, power, key]): Power => ({
      id,
      power,
      expected: "denied",
      actions: ["s3:PutObject"],
      attempt: (probe, signal) => probe.complete(key, true, signal),
    })),
  ];
}

function overwriting(id: string, power: string, key: string, isExpected: boolean): Power {
  return {
    id,
    power,
    expected: isExpected ? "allowed" : "denied",
    actions: ["s3:PutObject"],
    remedy: CREATE_ONLY_REMEDY,
    attempt: (probe, signal) => probe.complete(key, false, signal),
  };
}

function creatingAgain(key: string): Power {
  return {
    id: "create-again",
    power: "create, create-only, an object that is there",
    expected: "denied",
    actions: [],
    impliedBy: "always",
    ifUnenforced: "keep versions in this bucket, so that the first stays; or use a store that honours If-None-Match",
    attempt: (probe, signal) => createAgain(probe, key, signal),
  };
}

/** How often a create-only write may succeed at a name that is there: a mover may have taken the object away. */
const MAX_CREATIONS = 3;

async function createAgain(probe: AuditProbe, key: string, signal: AbortSignal): Promise<Attempt> {
  for (let creations = 1; ; creations++) {
    const { attempt } = await probe.put(key, true, signal);
    if (attempt.verdict === "exists") return { ...attempt, verdict: "denied" };
    if (attempt.verdict !== "allowed") return attempt;
    if (creations === MAX_CREATIONS) return { ...attempt, detail: "the store accepts If-None-Match and ignores it" };
  }
}

export function uploading(scene: Scene): Power[] {
  const { place, nobodys, begun, upload, intended } = scene;
  const steer = (steering: Steering, action: string, mark: ObjectMark): Power => ({
    id: `begin-with-${idOf(steering)}`,
    power: `choose its objects' ${steering}, by a header`,
    expected: "denied",
    actions: [action],
    impliedBy: `mark-${idOf(mark)}`,
    ifUnenforced:
      "no policy helps: this store asks for no right to the header; nothing of it reaches the vault from a drop-zone",
    attempt: (probe, signal) =>
      probe.beginUpload(
        intended.role === "mover-drop-zone" ? `_airlock/probe/audit-${newToken()}` : nobodys,
        steering,
        signal,
      ),
  });
  return [
    {
      id: "begin-upload",
      power: `begin an upload below ${place}`,
      expected: may(scene, "host", "mover-vault"),
      actions: ["s3:PutObject"],
      attempt: async () => begun,
    },
    {
      id: "list-parts",
      power: "list an upload's parts",
      expected: may(scene, "mover-vault"),
      actions: ["s3:ListMultipartUploadParts"],
      attempt: (probe, signal) => probe.listParts(nobodys, upload, signal),
    },
    {
      id: "abort-upload",
      power: "abort an upload",
      expected: may(scene, "mover-vault"),
      actions: ["s3:AbortMultipartUpload"],
      attempt: (probe, signal) => probe.abort(nobodys, upload, signal),
    },
    steer("ACL", "s3:PutObjectAcl", "ACL"),
    steer("tags", "s3:PutObjectTagging", "tags"),
    steer("retention", "s3:PutObjectRetention", "retention"),
    steer("legal hold", "s3:PutObjectLegalHold", "legal hold"),
  ];
}
