import { GetBucketVersioningCommand } from "@aws-sdk/client-s3";
import { isAirlockError } from "../errors.ts";
import type { S3Store } from "./client.ts";

/** `unknown`: the store does not say, or not to this key. */
export type Versioning = "enabled" | "suspended" | "off" | "unknown";

export async function readVersioning(store: S3Store, signal: AbortSignal): Promise<Versioning> {
  const call = store.describe("GetBucketVersioning", "read", null);
  try {
    const answer = await store.run(call, signal, () =>
      store.client.send(new GetBucketVersioningCommand(store.owned), { abortSignal: signal }),
    );
    if (answer.Status === "Enabled") return "enabled";
    return answer.Status === "Suspended" ? "suspended" : "off";
  } catch (error) {
    if (isAirlockError(error, "access-denied", "request-invalid")) return "unknown";
    throw error;
  }
}
