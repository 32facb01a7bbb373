/** The parts of the deployment, in the order in which they are proved. */
import { audit } from "./audit.ts";
import type { Part } from "./claim.ts";
import { container } from "./container.ts";
import { firewall } from "./firewall.ts";
import { iam } from "./iam.ts";
import { kubernetes } from "./kubernetes.ts";
import { npmPackage } from "./npm-package.ts";

export const PARTS: readonly Part[] = [npmPackage, firewall, container, kubernetes, iam, audit];
