/** What lies in a drop-zone, read with its owner's key and held against what statements say of it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { GetObjectCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import type { SigningKey } from "../../../shared/keys.ts";
import { STATEMENT_SUFFIX } from "../../../shared/names.ts";
import {
  parseInlineStatement,
  parseStatement,
  statementDigest,
  verifyStatement,
  type Statement,
} from "../../../shared/statement.ts";
import { DROP_ZONE, type World } from "../../support/world.ts";

export interface StoredObject {
  readonly key: string;
  readonly body: Buffer;
  readonly statement: Statement;
  readonly isInline: boolean;
}

export interface DropZoneContent {
  readonly objects: readonly StoredObject[];
  /** Statements whose object is not there. */
  readonly alone: readonly Statement[];
  /** Every version of every statement, byte for byte, by number. */
  readonly envelopes: ReadonlyMap<number, ReadonlySet<string>>;
  readonly openUploads: number;
}

/** Fails unless every object that can be seen has a statement that verifies and says its digest. */
export async function readDropZone(world: World, host = "web1"): Promise<DropZoneContent> {
  const key = world.hostKeys.get(host);
  assert.ok(key !== undefined);
  const client = new S3Client({
    endpoint: world.server.endpoint,
    region: world.server.region,
    forcePathStyle: true,
    credentials: world.dropZoneAccount.owner,
  });
  try {
    return await readAll(world, client, key);
  } finally {
    client.destroy();
  }
}

async function readAll(world: World, client: S3Client, hostKey: SigningKey): Promise<DropZoneContent> {
  const versions = await world.listDropZone();
  const envelopes = new Map<number, Set<string>>();
  const note = (bytes: Buffer, statement: Statement): void => {
    envelopes.set(statement.seq, (envelopes.get(statement.seq) ?? new Set()).add(bytes.toString()));
  };
  const statements = new Map<string, Statement>();
  const bodies: { key: string; body: Buffer; inline: string | undefined }[] = [];
  for (const { key, versionId } of versions) {
    const { Body, Metadata } = await client.send(
      new GetObjectCommand({ Bucket: DROP_ZONE, Key: key, ...(versionId === null ? {} : { VersionId: versionId }) }),
    );
    const body = Buffer.from((await Body?.transformToByteArray()) ?? []);
    if (key.endsWith(STATEMENT_SUFFIX)) {
      const { statement } = parseStatement(body, key);
      statements.set(key.slice(0, -STATEMENT_SUFFIX.length), statement);
      note(body, statement);
    } else bodies.push({ key, body, inline: Metadata?.airlock });
  }
  const objects = bodies.map(({ key, body, inline }): StoredObject => {
    const signed = inline === undefined ? null : parseInlineStatement(inline, key);
    const statement = signed?.statement ?? statements.get(key);
    assert.ok(statement !== undefined, `${key} can be seen and has no statement`);
    if (signed !== null && inline !== undefined) {
      verifyStatement(signed, { bucket: DROP_ZONE, key, sizeBytes: body.length }, [hostKey.public], new Date());
      note(Buffer.from(inline, "base64url"), statement);
    }
    assert.equal(statement.key, key);
    assert.equal(statement.size, body.length);
    assert.equal(statement.sha256, createHash("sha256").update(body).digest("hex"));
    return { key, body, statement, isInline: signed !== null };
  });
  const seen = new Set(objects.map(({ key }) => key));
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: DROP_ZONE }));
  return {
    objects,
    alone: [...statements].filter(([key]) => !seen.has(key)).map(([, statement]) => statement),
    envelopes,
    openUploads: Uploads.length,
  };
}

/** Numbers 1 to n without a hole, each in exactly one statement, each chained to the one before. */
export function assertSequenceWhole({ objects, alone, envelopes }: DropZoneContent): void {
  const all = [...objects.map(({ statement }) => statement), ...alone].toSorted((one, other) => one.seq - other.seq);
  for (const [seq, texts] of envelopes) assert.equal(texts.size, 1, `two statements with the number ${seq}`);
  for (const [index, statement] of all.entries()) {
    const former = all[index - 1];
    assert.equal(statement.seq, index + 1, "a hole, or a number twice");
    assert.equal(statement.prev, former === undefined ? null : statementDigest(former));
  }
}
