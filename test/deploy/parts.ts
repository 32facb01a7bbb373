/** The parts of the deployment, in the order in which they are proved. */
import { audit } from "./audit.ts";
import type { Part } from "./claim.ts";
import { container } from "./container.ts";
import { debian } from "./debian.ts";
import { executables } from "./executables.ts";
import { firewall } from "./firewall.ts";
import { iam } from "./iam.ts";
import { kubernetes } from "./kubernetes.ts";
import { npmPackage } from "./npm-package.ts";
import { selfHosted } from "./self-hosted.ts";
import { systemd } from "./systemd.ts";

export const PARTS: readonly Part[] = [
  executables,
  npmPackage,
  systemd,
  debian,
  firewall,
  container,
  kubernetes,
  iam,
  audit,
  selfHosted,
];
