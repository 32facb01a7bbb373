import type { Area, Check } from "./check.ts";
import { authentication } from "./checks/authentication.ts";
import { createOnly } from "./checks/create-only.ts";
import { creating } from "./checks/creating.ts";
import { deleting } from "./checks/deleting.ts";
import { events } from "./checks/events.ts";
import { hostKey } from "./checks/host-key.ts";
import { hostProbes } from "./checks/host-probes.ts";
import { integrity } from "./checks/integrity.ts";
import { listing } from "./checks/listing.ts";
import { locking } from "./checks/locking.ts";
import { moverProbes } from "./checks/mover-probes.ts";
import { multipart } from "./checks/multipart.ts";
import { moverDropZoneKey } from "./checks/mover-drop-zone-key.ts";
import { oddNames } from "./checks/odd-names.ts";
import { openUploads } from "./checks/open-uploads.ts";
import { reading } from "./checks/reading.ts";
import { tagging } from "./checks/tagging.ts";
import { transports } from "./checks/transports.ts";
import { vaultKeys } from "./checks/vault-keys.ts";
import { verdict } from "./checks/verdict.ts";

/** In the order of docs/stores.md. */
export const AREAS: readonly Area[] = [
  verdict,
  authentication,
  createOnly,
  hostKey,
  moverDropZoneKey,
  vaultKeys,
  creating,
  deleting,
  integrity,
  reading,
  listing,
  oddNames,
  multipart,
  openUploads,
  locking,
  tagging,
  events,
  transports,
  hostProbes,
  moverProbes,
];

export const CHECKS: readonly Check[] = AREAS.flatMap(({ checks }) => checks);
