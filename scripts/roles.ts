/** The three programs that are built, and what each is started with. */
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

export interface Role {
  readonly folder: "uploader" | "mover" | "operator";
  readonly program: "airlock-uploader" | "airlock-mover" | "airlock";
  /** The same as in the first line of the role's `main.ts`, which says why. */
  readonly nodeOptions: readonly string[];
}

export const ROLES: readonly Role[] = [
  { folder: "uploader", program: "airlock-uploader", nodeOptions: ["--max-semi-space-size=8"] },
  { folder: "mover", program: "airlock-mover", nodeOptions: ["--max-semi-space-size=8"] },
  { folder: "operator", program: "airlock", nodeOptions: [] },
];
