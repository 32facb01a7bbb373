import { hostPolicy, type Policy } from "../shared/policies.ts";
import type { UploaderConfig } from "./config.ts";

/** The policy of this host's access key, as `init` and `check` print it. */
export function policyOf({ host, dropZone }: UploaderConfig): Policy {
  const secureTransport = dropZone.endpoint?.startsWith("http:") !== true;
  return hostPolicy({ bucket: dropZone.bucket, host, secureTransport });
}
