/** What Object Lock keeps: of the bucket for what comes, and of one version. */
import { GetObjectLockConfigurationCommand, GetObjectRetentionCommand } from "@aws-sdk/client-s3";
import { isAirlockError } from "../errors.ts";
import type { DefaultRetention, LockReader, ObjectLock } from "../stores.ts";
import { StoreAnswer } from "./answer.ts";
import type { S3Store } from "./client.ts";

export function openLockReader(store: S3Store): LockReader {
  return {
    readDefaultRetention: (signal) => readDefaultRetention(store, signal),
    readLock: (name, versionId, signal) => readLock(store, name, versionId, signal),
  };
}

/** `none`: Object Lock is off, or on without a default. `unknown`: this key may not see it. */
export async function readDefaultRetention(
  store: S3Store,
  signal: AbortSignal,
): Promise<DefaultRetention | "none" | "unknown"> {
  const call = store.describe("GetObjectLockConfiguration", "read", null);
  try {
    const { ObjectLockConfiguration } = await store.run(call, signal, () =>
      store.client.send(new GetObjectLockConfigurationCommand(store.owned), { abortSignal: signal }),
    );
    const { Mode, Days, Years } = ObjectLockConfiguration?.Rule?.DefaultRetention ?? {};
    const days = Days ?? (Years ?? 0) * 365;
    return isMode(Mode) && days > 0 ? { mode: Mode, days } : "none";
  } catch (error) {
    if (codeOf(error) === "ObjectLockConfigurationNotFoundError") return "none";
    if (isAirlockError(error, "access-denied", "request-invalid")) return "unknown";
    throw error;
  }
}

export async function readLock(
  store: S3Store,
  name: string,
  versionId: string | null,
  signal: AbortSignal,
): Promise<ObjectLock | "none" | "unknown"> {
  const call = store.describe("GetObjectRetention", "read", name);
  const version = versionId === null ? {} : { VersionId: versionId };
  try {
    const { Retention } = await store.run(call, signal, () =>
      store.client.send(new GetObjectRetentionCommand({ ...store.owned, Key: name, ...version }), {
        abortSignal: signal,
      }),
    );
    const { Mode, RetainUntilDate: until } = Retention ?? {};
    return isMode(Mode) && until !== undefined && !Number.isNaN(until.getTime()) ? { mode: Mode, until } : "none";
  } catch (error) {
    if (codeOf(error) === "NoSuchObjectLockConfiguration") return "none";
    if (isAirlockError(error, "access-denied", "request-invalid")) return "unknown";
    throw error;
  }
}

function isMode(mode: string | undefined): mode is ObjectLock["mode"] {
  return mode === "GOVERNANCE" || mode === "COMPLIANCE";
}

function codeOf(error: unknown): string | null {
  return isAirlockError(error) && error.cause instanceof StoreAnswer ? error.cause.s3Code : null;
}
