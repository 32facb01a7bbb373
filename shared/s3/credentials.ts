import { readFile, stat } from "node:fs/promises";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { CredentialSource } from "../config/store-config.ts";
import { AirlockError } from "../errors.ts";
import { errorCode, readSecretFile } from "../files.ts";

const MAX_SECRET_BYTES = 4096;
const REMEDY = "the file has to be readable by this program and hold the key on one line, with nothing else";
/** The SDK asks again when less than five minutes are left; so it looks at the files about every ten seconds. */
const SDK_REFRESH_MS = 5 * 60_000;
const LOOK_AGAIN_MS = 10_000;

/** What the SDK's client is told; nothing for its own default chain. */
export function credentialsConfig(source: CredentialSource): Pick<S3ClientConfig, "credentials" | "profile"> {
  if (source.kind === "chain") return {};
  if (source.kind === "profile") return { profile: source.profile };
  return { credentials: fileCredentials(source.accessKeyIdFile, source.secretAccessKeyFile) };
}

/**
 * The secret's file is for its owner alone, as every key's is ({@link readSecretFile}); the key's id is no secret.
 * Read again whenever one of the two files has changed, so that a key can be rotated without a restart.
 */
export function fileCredentials(accessKeyIdFile: string, secretAccessKeyFile: string, now: () => number = Date.now) {
  let stamp = "";
  let read = { accessKeyId: "", secretAccessKey: "" };
  return async () => {
    const current = `${await stampOf(accessKeyIdFile)} ${await stampOf(secretAccessKeyFile)}`;
    if (current !== stamp) {
      const secret = await readSecretFile(secretAccessKeyFile, REMEDY);
      read = {
        accessKeyId: lineOf(await readText(accessKeyIdFile), accessKeyIdFile),
        secretAccessKey: lineOf(secret, secretAccessKeyFile),
      };
      stamp = current;
    }
    return { ...read, expiration: new Date(now() + SDK_REFRESH_MS + LOOK_AGAIN_MS) };
  };
}

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}:${size}:${ino}`;
  } catch (error) {
    throw unreadable(path, reasonOf(error), error);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, reasonOf(error), error);
  }
}

function lineOf(text: string, path: string): string {
  const line = text.trim();
  if (line === "" || line.length > MAX_SECRET_BYTES || /[\s\0]/.test(line))
    throw unreadable(path, "it does not hold one line with a key", undefined);
  return line;
}

function reasonOf(error: unknown): string {
  const code = errorCode(error) ?? "unknown";
  return code === "ENOENT" ? "there is no such file" : `it cannot be read: ${code}`;
}

function unreadable(path: string, reason: string, cause: unknown): AirlockError {
  return new AirlockError("credentials-invalid", `a credential file cannot be used: ${reason}`, {
    subject: path,
    remedy: REMEDY,
    cause,
  });
}
