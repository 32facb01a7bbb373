/** What the vault really holds: objects and segments, created once and never again. */
import { AirlockError } from "../../../shared/errors.ts";
import { parseSegment, type Entry, type Segment } from "../../../shared/ledger.ts";
import type { MultipartUpload, ObjectAttributes, UploadedPart } from "../../../shared/stores.ts";
import { statementDigest } from "../../../shared/statement.ts";
import { etagOf } from "./zone.ts";

export interface VaultObject {
  readonly name: string;
  readonly versionId: string;
  readonly bytes: Uint8Array;
  readonly attributes: ObjectAttributes;
}

interface OpenUpload {
  readonly name: string;
  readonly attributes: ObjectAttributes;
  readonly parts: Map<number, Uint8Array>;
}

/** Told of what is about to take effect. */
export interface VaultWatcher {
  willCreate(name: string, bytes: Uint8Array, attributes: ObjectAttributes): void;
  willRecord(segment: Segment): void;
}

export class Vault {
  readonly objects = new Map<string, VaultObject>();
  readonly segments = new Map<number, Uint8Array>();
  /** By the last segment that each sums up. */
  readonly checkpoints = new Map<number, Uint8Array>();
  /** By what they record: {@link sourceIdOf}. */
  readonly recorded = new Map<string, Entry[]>();
  /** By the key of the object that they record. */
  readonly entriesOf = new Map<string, Entry[]>();
  /** `<code> <host> <epoch> <number>` of what the mover noticed. */
  readonly findings = new Set<string>();
  /** `<digest of the statement> <key>` of all that was archived. */
  readonly statements = new Set<string>();
  readonly uploads = new Map<string, OpenUpload>();
  readonly #watcher: VaultWatcher;
  readonly #mover: string;
  #count = 0;

  constructor(mover: string, watcher: VaultWatcher) {
    this.#mover = mover;
    this.#watcher = watcher;
  }

  create(name: string, bytes: Uint8Array, attributes: ObjectAttributes): string {
    if (this.objects.has(name)) throw new AirlockError("already-exists", "412", { subject: name });
    this.#watcher.willCreate(name, bytes, attributes);
    const versionId = `vault-${++this.#count}`;
    this.objects.set(name, { name, versionId, bytes, attributes });
    return versionId;
  }

  begin(name: string, attributes: ObjectAttributes): MultipartUpload {
    const uploadId = `upload-${++this.#count}`;
    this.uploads.set(uploadId, { name, attributes, parts: new Map() });
    return { key: name, uploadId };
  }

  putPart(upload: MultipartUpload, number: number, bytes: Uint8Array): UploadedPart {
    this.#open(upload).parts.set(number, bytes);
    return { number, etag: etagOf(bytes, false), checksum: null };
  }

  complete(upload: MultipartUpload, parts: readonly UploadedPart[]): string {
    const open = this.#open(upload);
    const bytes = parts.map(({ number, etag }) => {
      const part = open.parts.get(number);
      if (part === undefined || etagOf(part, false) !== etag) {
        throw new AirlockError("request-invalid", `InvalidPart: ${number}`, { subject: upload.key });
      }
      return part;
    });
    const versionId = this.create(open.name, Buffer.concat(bytes), open.attributes);
    this.uploads.delete(upload.uploadId);
    return versionId;
  }

  abort(upload: MultipartUpload): void {
    this.#open(upload);
    this.uploads.delete(upload.uploadId);
  }

  createSegment(number: number, bytes: Uint8Array): void {
    if (this.segments.has(number)) throw new AirlockError("already-exists", "412", { subject: `segment ${number}` });
    const segment = parseSegment(bytes, this.#mover, number);
    this.#watcher.willRecord(segment);
    this.segments.set(number, bytes);
    for (const entry of segment.entries) {
      for (const { code, host = entry.statement?.host, epoch, seq = 0, detail = "" } of entry.findings) {
        // several numbers in a row are one finding, and its detail tells which
        const last = code === "missing" ? Number(/ to (\d+) /.exec(detail)?.[1] ?? seq) : seq;
        for (let missing = seq; missing <= Math.min(last, seq + 100); missing++)
          this.findings.add(`${code} ${host} ${epoch} ${missing}`);
      }
      if (entry.source === null) continue;
      const id = sourceIdOf(entry.source);
      this.recorded.set(id, [...(this.recorded.get(id) ?? []), entry]);
      const { key } = entry.source;
      this.entriesOf.set(key, [...(this.entriesOf.get(key) ?? []), entry]);
      if (entry.vault !== null && entry.statement !== null)
        this.statements.add(`${statementDigest(entry.statement)} ${key}`);
    }
  }

  createCheckpoint(segment: number, bytes: Uint8Array): void {
    if (this.checkpoints.has(segment)) throw new AirlockError("already-exists", "412", { subject: `${segment}` });
    this.checkpoints.set(segment, bytes);
  }

  readCheckpoint(segment: number): Uint8Array {
    const bytes = this.checkpoints.get(segment);
    if (bytes === undefined) throw new AirlockError("not-found", "404", { subject: `checkpoint ${segment}` });
    return bytes;
  }

  readSegment(number: number): Uint8Array {
    const bytes = this.segments.get(number);
    if (bytes === undefined) throw new AirlockError("not-found", "404", { subject: `segment ${number}` });
    return bytes;
  }

  #open(upload: MultipartUpload): OpenUpload {
    const open = this.uploads.get(upload.uploadId);
    if (open === undefined) throw new AirlockError("upload-missing", "NoSuchUpload", { subject: upload.key });
    return open;
  }
}

/** An exact version of an object in the drop-zone, by its id or, without versions, by its bytes' ETag. */
export function sourceIdOf(source: {
  readonly key: string;
  readonly versionId: string | null;
  readonly etag: string;
}): string {
  return `${source.key}@${source.versionId ?? source.etag}`;
}
