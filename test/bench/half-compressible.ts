/** What a dump or a folder of mixed files looks like to a compressor: some of it shrinks, some of it does not. */
import { createCipheriv, randomBytes } from "node:crypto";
import { open } from "node:fs/promises";

const MiB = 2 ** 20;
/** So far apart that the same lines come again only where `zstd -3` no longer looks for them: 2 MiB back. */
const LOGS = 8;

/** By turns 1 MiB of log lines, of which zstd makes a sixth, and 1 MiB that does not compress. */
export async function writeHalfCompressible(path: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  const noise = createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16));
  const zeros = Buffer.alloc(MiB);
  const logs = Array.from({ length: LOGS }, (_, day) => makeLog(new Date(Date.UTC(2026, 0, 1 + day))));
  for (let done = 0, block = 0; done < sizeBytes; done += MiB, block += 1) {
    signal.throwIfAborted();
    const log = logs[(block >> 1) % LOGS] ?? zeros;
    const bytes = block % 2 === 0 ? log : noise.update(zeros);
    await file.writeFile(bytes.subarray(0, sizeBytes - done));
  }
}

/** No line is another's copy: client, time, page and size change. */
function makeLog(begin: Date): Buffer {
  const lines: string[] = [];
  for (let length = 0; length < MiB; length += lines.at(-1)?.length ?? MiB) {
    const chance = randomBytes(6);
    const time = new Date(begin.getTime() + lines.length * 7).toISOString();
    const request = `GET /articles/${chance.readUInt16LE(2) % 500}?page=${chance[1]} HTTP/1.1`;
    lines.push(`10.1.4.${chance[0]} - - [${time}] "${request}" 200 ${chance.readUInt16LE(4)} "-" "Mozilla/5.0"\n`);
  }
  return Buffer.from(lines.join("")).subarray(0, MiB);
}
