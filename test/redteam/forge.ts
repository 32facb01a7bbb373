/** Uploads as a host, or whoever holds its keys, would make them. */
import { createHash, randomBytes } from "node:crypto";
import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from "@aws-sdk/client-s3";
import type { SigningKey } from "../../shared/keys.ts";
import { formatDropZoneName, newToken } from "../../shared/names.ts";
import {
  formatStatement,
  signStatement,
  STATEMENT_METADATA,
  statementDigest,
  type Statement,
} from "../../shared/statement.ts";

export function newKey(host: string, name = "file.bin", set = "files"): string {
  return formatDropZoneName({ host, set, at: new Date(), token: newToken(), name });
}

/** A host's sequence, as its uploader keeps it. */
export class Sequence {
  readonly #epoch = randomBytes(16).toString("base64url");
  #seq = 0;
  #prev: string | null = null;

  next(bucket: string, host: string, bytes: Uint8Array, changes: Partial<Statement> = {}): Statement {
    const key = changes.key ?? newKey(host, "file.bin", changes.set);
    const statement: Statement = {
      v: 1,
      bucket,
      key,
      host,
      set: key.split("/")[1] ?? "files",
      epoch: this.#epoch,
      seq: ++this.#seq,
      prev: this.#prev,
      size: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      encoding: [],
      startedAt: new Date().toISOString(),
      ...changes,
    };
    this.#prev = statementDigest(statement);
    return statement;
  }
}

/** As it stands in an object's metadata. */
export function metadataOf(statement: string): Record<string, string> {
  return { [STATEMENT_METADATA]: Buffer.from(statement).toString("base64url") };
}

export function signed(statement: Statement, key: SigningKey): string {
  return formatStatement(signStatement(statement, key));
}

/** One create-only PUT, as every uploader's. Returns the version's id. */
export async function put(
  client: S3Client,
  Bucket: string,
  Key: string,
  Body: Uint8Array,
  more: Partial<PutObjectCommandInput> = {},
): Promise<string | undefined> {
  const answer = await client.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: "*", ...more }));
  return answer.VersionId;
}
