import type { Buffer } from "node:buffer";

/** A body that is produced while it is sent. */
export interface BodySource {
  readonly sizeBytes: number;
  read(): AsyncIterable<Buffer>;
  /** Called once, whether it was read or not. */
  release(): void;
}

/** What a handler answers. */
export interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body?: string | Buffer | BodySource;
}

export function emptyReply(status = 200, headers: Record<string, string> = {}): Reply {
  return { status, headers };
}

export function xmlReply(body: string, headers: Record<string, string> = {}): Reply {
  return { status: 200, headers: { "content-type": "application/xml", ...headers }, body };
}
