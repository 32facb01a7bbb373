/**
 * What `airlock audit` finds of the roles' own keys where it is not what the role should have: each is a row that the
 * store does not enforce, or of which its answers tell nothing. A run that finds anything else fails.
 */
import type { Role } from "../../operator/audit-choices.ts";
import type { Outcome } from "../../operator/audit.ts";
import type { ServerName } from "../servers/server.ts";

type Found = Readonly<Record<string, Outcome>>;

/** Deleting a bucket is tried only where it certainly is not empty. */
const NOT_TRIED: Found = { "delete-bucket": "unknown" };

/** These headers are taken from whoever may create. */
const STEERS: Found = {
  "begin-with-acl": "not-enforced",
  "begin-with-tags": "not-enforced",
  "begin-with-retention": "not-enforced",
  "begin-with-legal-hold": "not-enforced",
};

/** Ceph 16 says the same to everybody. */
const RGW_MUTE: Found = { "set-encryption": "unknown", "set-ownership": "unknown", "create-bucket": "unknown" };

const OVERWRITES_VAULT: Found = { overwrite: "possible", "overwrite-ledger": "possible" };

export const KNOWN: Readonly<Record<ServerName, Readonly<Record<Role, Found>>>> = {
  embedded: { host: NOT_TRIED, "mover-drop-zone": NOT_TRIED, "mover-vault": {}, operator: {} },
  versitygw: {
    host: { ...NOT_TRIED, overwrite: "possible", "begin-with-acl": "not-enforced" },
    "mover-drop-zone": { ...NOT_TRIED, "begin-with-acl": "not-enforced" },
    "mover-vault": { ...OVERWRITES_VAULT, "begin-with-acl": "not-enforced" },
    operator: {},
  },
  rgw: {
    host: { ...NOT_TRIED, ...STEERS, ...RGW_MUTE, overwrite: "possible", "create-again": "not-enforced" },
    "mover-drop-zone": {
      ...NOT_TRIED,
      ...STEERS,
      ...RGW_MUTE,
      "create-again": "not-enforced",
      "list-parts": "unknown",
      "delete-batch": "denied",
    },
    "mover-vault": { ...OVERWRITES_VAULT, ...STEERS, ...RGW_MUTE },
    operator: { ...RGW_MUTE, "list-parts": "unknown" },
  },
  // it looks at no condition, and takes altered bytes
  moto: {
    host: {
      ...NOT_TRIED,
      ...STEERS,
      overwrite: "possible",
      copy: "not-enforced",
      "set-policy": "unknown",
      "set-website": "unknown",
    },
    "mover-drop-zone": {
      ...NOT_TRIED,
      ...STEERS,
      "read-retention": "unknown",
      "get-object-lock": "possible",
      "delete-batch": "denied",
    },
    "mover-vault": {
      ...OVERWRITES_VAULT,
      "begin-with-acl": "not-enforced",
      "begin-with-tags": "not-enforced",
      "begin-with-retention": "possible",
      "begin-with-legal-hold": "possible",
      list: "possible",
      "list-versions": "possible",
      "mark-retention": "unknown",
      "mark-retention-bypassing-governance": "unknown",
      "mark-legal-hold": "unknown",
      "set-policy": "unknown",
      "set-website": "unknown",
    },
    operator: { "read-retention": "unknown" },
  },
};
