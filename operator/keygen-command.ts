import type { Io } from "../shared/cli.ts";
import { createFile } from "../shared/files.ts";
import { formatIdentityFile, generateAgeKeyPair } from "./keygen.ts";

export interface KeygenOptions {
  readonly pq?: true;
  readonly out?: string;
}

/** `airlock keygen [--pq] [--out FILE]` */
export async function runKeygen(io: Io, { pq, out }: KeygenOptions): Promise<void> {
  const pair = await generateAgeKeyPair(pq === true);
  const text = formatIdentityFile(pair, new Date());
  if (out === undefined) {
    io.print({ identity: pair.identity, recipient: pair.recipient }, text);
    return;
  }
  await createFile(out, text, { mode: 0o600 });
  io.print({ file: out, recipient: pair.recipient }, pair.recipient);
}
