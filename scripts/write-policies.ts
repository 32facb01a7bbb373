/** `node scripts/write-policies.ts`: writes deploy/iam/ from shared/policies.ts, with the names of the documentation. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  dropZoneBucketPolicy,
  eventQueuePolicy,
  hostPolicy,
  moverDropZonePolicy,
  moverVaultPolicy,
  operatorPolicy,
  vaultBucketPolicy,
} from "../shared/policies.ts";

export const IAM_FOLDER = join(import.meta.dirname, "..", "deploy", "iam");

const [dropZone, vault] = ["acme-dropzone", "acme-vault"];
const secureTransport = true;
const queueArn = "arn:aws:sqs:eu-central-1:111122223333:airlock-mover-a";

/** By file name. */
export const POLICIES: Readonly<Record<string, object>> = {
  "host.json": hostPolicy({ bucket: dropZone, host: "web1", secureTransport }),
  "host-foreign.json": hostPolicy({ bucket: dropZone, host: "web1", foreign: true, secureTransport }),
  "mover-drop-zone.json": moverDropZonePolicy({ bucket: dropZone, versioned: true, secureTransport }),
  "mover-drop-zone-events.json": moverDropZonePolicy({ bucket: dropZone, versioned: true, queueArn, secureTransport }),
  "mover-vault.json": moverVaultPolicy({ bucket: vault, verify: "checksum", secureTransport }),
  "mover-vault-readback.json": moverVaultPolicy({ bucket: vault, verify: "readback", secureTransport }),
  "operator.json": operatorPolicy({ bucket: vault, secureTransport }),
  "queue.json": eventQueuePolicy({ bucket: dropZone, queueArn }),
  "drop-zone-bucket.json": dropZoneBucketPolicy({
    bucket: dropZone,
    moverArn: "arn:aws:iam::111122223333:user/airlock-mover",
  }),
  "vault-bucket.json": vaultBucketPolicy({ bucket: vault }),
};

export function formatPolicy(policy: object): string {
  return `${JSON.stringify(policy, null, 2)}\n`;
}

if (import.meta.main) {
  await mkdir(IAM_FOLDER, { recursive: true });
  for (const [name, policy] of Object.entries(POLICIES)) await writeFile(join(IAM_FOLDER, name), formatPolicy(policy));
}
