/** What the command line offers; alone here, since every start of the program declares it. */

export const ROLES = ["host", "mover-drop-zone", "mover-vault", "operator"] as const;
export type Role = (typeof ROLES)[number];

export const SOURCES = "env, profile:NAME or files:KEY_ID_FILE,SECRET_FILE";
