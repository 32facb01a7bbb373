/** Multipart uploads as a key may or may not deal with them; for `airlock audit`. */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type CreateMultipartUploadCommandInput,
} from "@aws-sdk/client-s3";
import type { Attempt, KeyProbe } from "./key-probe.ts";
import { BODY, MD5_OF_OTHER_BYTES, OTHER_ETAG, WRONG_BYTES } from "./mover-probe.ts";

/** What a writer could say of an object in the same breath, and would need a right of its own for. */
export type Steering = "ACL" | "tags" | "retention" | "legal hold";

/** An upload of the auditor's own. */
export interface OwnUpload {
  readonly key: string;
  readonly uploadId: string;
}

export interface UploadAttempts {
  /**
   * Completes an upload that nobody has begun: the right to create is asked for before the upload is looked for, and
   * no store can make anything of it. A store that stumbles over that is asked to complete a fresh one, with a part
   * that it does not have.
   */
  complete(key: string, createOnly: boolean, signal: AbortSignal): Promise<Attempt>;
  beginUpload(key: string, steering: Steering | null, signal: AbortSignal): Promise<Attempt & { upload?: OwnUpload }>;
  /** Whether the store takes a part whose bytes are not those of its checksum: such a store may take anything. */
  takesAlteredBytes(upload: OwnUpload, signal: AbortSignal): Promise<boolean>;
  /** Without an upload: of one that nobody has begun. */
  listParts(key: string, upload: OwnUpload | null, signal: AbortSignal): Promise<Attempt>;
  abort(key: string, upload: OwnUpload | null, signal: AbortSignal): Promise<Attempt>;
  listUploads(prefix: string, signal: AbortSignal): Promise<Attempt>;
}

/** No store that is known makes such ids. */
const NOBODYS_UPLOAD = "airlockAuditNobodysUploadId0123456789";
/** Said of a bucket whose objects have no ACLs, and of one without Object Lock. */
const TAKES_NONE: ReadonlySet<string> = new Set(["AccessControlListNotSupported", "InvalidRequest"]);
const NO_UPLOAD = ["NoSuchUpload"];
const NOTHING_TO_COMPLETE = [...NO_UPLOAD, "InvalidPart"];

export function uploadAttempts({ store, attempt }: KeyProbe): UploadAttempts {
  const { client, owned } = store;

  const completing = (key: string, UploadId: string, createOnly: boolean, signal: AbortSignal): Promise<Attempt> =>
    attempt(
      "CompleteMultipartUpload",
      key,
      () => {
        const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: OTHER_ETAG }] };
        const condition = createOnly ? { IfNoneMatch: "*" } : {};
        const upload = { ...owned, Key: key, UploadId, MultipartUpload, ...condition };
        return client.send(new CompleteMultipartUploadCommand(upload), { abortSignal: signal });
      },
      NOTHING_TO_COMPLETE,
    );

  async function beginUpload(
    key: string,
    steering: Steering | null,
    signal: AbortSignal,
  ): Promise<Attempt & { upload?: OwnUpload }> {
    let upload: OwnUpload | undefined;
    const tried = await attempt("CreateMultipartUpload", key, async () => {
      const command = new CreateMultipartUploadCommand({ ...owned, Key: key, ...headersOf(steering) });
      const { UploadId } = await client.send(command, { abortSignal: signal });
      if (UploadId !== undefined) upload = { key, uploadId: UploadId };
    });
    if (steering !== null && TAKES_NONE.has(tried.s3Code ?? "")) {
      return { verdict: "denied", detail: `this bucket takes none (${tried.s3Code})` };
    }
    return { ...tried, ...(upload === undefined ? {} : { upload }) };
  }

  return {
    async complete(key, createOnly, signal) {
      const nothing = await completing(key, NOBODYS_UPLOAD, createOnly, signal);
      if (nothing.verdict !== "unknown") return nothing;
      const { upload, ...begun } = await beginUpload(key, null, signal);
      return upload === undefined ? begun : completing(key, upload.uploadId, createOnly, signal);
    },
    beginUpload,
    async takesAlteredBytes({ key, uploadId }, signal) {
      let isTaken = false;
      const part = {
        ...owned,
        Key: key,
        UploadId: uploadId,
        PartNumber: 1,
        Body: BODY,
        ContentMD5: MD5_OF_OTHER_BYTES,
      };
      const send = async (): Promise<void> => {
        await client.send(new UploadPartCommand(part), { abortSignal: signal });
        isTaken = true;
      };
      await attempt("UploadPart", key, send, WRONG_BYTES);
      return isTaken;
    },
    listParts: (key, upload, signal) =>
      attempt(
        "ListParts",
        key,
        () => {
          const command = new ListPartsCommand({ ...owned, Key: key, UploadId: upload?.uploadId ?? NOBODYS_UPLOAD });
          return client.send(command, { abortSignal: signal });
        },
        NO_UPLOAD,
      ),
    abort: (key, upload, signal) =>
      attempt(
        "AbortMultipartUpload",
        key,
        () => {
          const target = { ...owned, Key: key, UploadId: upload?.uploadId ?? NOBODYS_UPLOAD };
          return client.send(new AbortMultipartUploadCommand(target), { abortSignal: signal });
        },
        NO_UPLOAD,
      ),
    listUploads: (prefix, signal) =>
      attempt("ListMultipartUploads", prefix, () => {
        const command = new ListMultipartUploadsCommand({ ...owned, Prefix: prefix, MaxUploads: 1 });
        return client.send(command, { abortSignal: signal });
      }),
  };
}

/** A retention that ends before it begins to matter: a minute from now, on what is never completed. */
function headersOf(steering: Steering | null): Partial<CreateMultipartUploadCommandInput> {
  if (steering === "ACL") return { ACL: "public-read" };
  if (steering === "tags") return { Tagging: "airlock=audit" };
  if (steering === "legal hold") return { ObjectLockLegalHoldStatus: "ON" };
  if (steering === null) return {};
  return { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: new Date(Date.now() + 60_000) };
}
