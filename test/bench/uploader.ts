/**
 * The uploader against what people build without Airlock, and its encryption against that of the library that it takes
 * age's header from. Both sides run in turns on the same bytes.
 */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { encryptAge } from "../../uploader/age-payload.ts";
import type { BenchContext, Benchmark } from "./benchmark.ts";
import { median, runInTurns } from "./compare.ts";
import { writeHalfCompressible } from "./half-compressible.ts";
import { requireLinux } from "./process-tree.ts";
import { requireSpace } from "./space.ts";
import { startUploadScene } from "./upload-scene.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const FILE_BYTES = GiB;
const PUT_ROUNDS = 5;
const PEER = "zstd|age|mc";
/** What zstd, age, several parts and the runtime itself hold; whatever the file's size. */
const RESIDENT_LIMIT_MIB = 256;
/** What shrinks to nearly nothing, and what does not shrink at all. */
const STREAMS = [
  ["lines", ["bash", "-c", `yes "the same line again" | head -c ${FILE_BYTES}`]],
  ["noise", ["head", "-c", String(FILE_BYTES), "/dev/urandom"]],
] as const;
const ENCRYPT_BYTES = 256 * MiB;
const ENCRYPT_ROUNDS = 3;
/** As much as zstd gives at a time. */
const PIECE_BYTES = 256 * 1024;
/** The file, and what both make of it. */
const SPACE_BYTES = 4 * GiB;

export const uploader: Benchmark = {
  name: "uploader",
  description: "put of a 1 GiB file with zstd and age, against zstd | age | mc; encryption against age's library",
  async run(context) {
    requireLinux(process.platform);
    await requireSpace(tmpdir(), SPACE_BYTES);
    await measureEncryption(context);
    await measurePut(context);
  },
};

async function measurePut({ say, report, signal }: BenchContext): Promise<void> {
  await using scene = await startUploadScene(signal);
  const file = join(scene.folder, "half-compressible");
  say("put: writing the file");
  await writeHalfCompressible(file, FILE_BYTES, signal);
  say(`put: ${PUT_ROUNDS} rounds and one to warm up`);
  const { ours, theirs } = await runInTurns(
    PUT_ROUNDS,
    () => scene.putFile(file),
    () => scene.pipeFile(file),
  );
  const add = (metric: string, unit: string, of: (run: (typeof ours)[number]) => number, limit?: number): void => {
    const peer = { name: PEER, value: median(theirs.map(of)) };
    const value = median(ours.map(of));
    report({ metric, value, unit, better: "lower", peer, runs: PUT_ROUNDS, ...(limit === undefined ? {} : { limit }) });
  };
  add("put/duration", "s", ({ seconds }) => seconds);
  add("put/cpu", "s", ({ cpuSeconds }) => cpuSeconds);
  add("put/peak-resident", "MiB", ({ peakResidentBytes }) => peakResidentBytes / MiB, RESIDENT_LIMIT_MIB);
  for (const [kind, command] of STREAMS) {
    say(`put: 1 GiB of a command's ${kind}`);
    const { peakResidentBytes } = await scene.putCommand(command);
    const value = peakResidentBytes / MiB;
    report({ metric: `put-${kind}/peak-resident`, value, unit: "MiB", better: "lower", limit: RESIDENT_LIMIT_MIB });
  }
}

async function measureEncryption({ say, report, signal }: BenchContext): Promise<void> {
  const recipient = await identityToRecipient(await generateIdentity());
  const piece = randomBytes(PIECE_BYTES);
  const source = function* (): Generator<Uint8Array> {
    for (let done = 0; done < ENCRYPT_BYTES; done += PIECE_BYTES) yield piece;
  };
  const rateOf = async (encrypted: AsyncIterable<Uint8Array>): Promise<number> => {
    const startedAtMs = performance.now();
    let sizeBytes = 0;
    for await (const chunk of encrypted) {
      signal.throwIfAborted();
      sizeBytes += chunk.length;
    }
    if (sizeBytes <= ENCRYPT_BYTES) throw new Error(`${ENCRYPT_BYTES} bytes were encrypted to ${sizeBytes}`);
    return ENCRYPT_BYTES / MiB / ((performance.now() - startedAtMs) / 1000);
  };
  const library = new Encrypter();
  library.addRecipient(recipient);
  say(`encrypt: ${ENCRYPT_ROUNDS} rounds and one to warm up`);
  const { ours, theirs } = await runInTurns(
    ENCRYPT_ROUNDS,
    () => rateOf(encryptAge(toAsync(source()), [recipient])),
    async () => rateOf(await library.encrypt(ReadableStream.from(source()))),
  );
  report({
    metric: "encrypt/throughput",
    value: median(ours),
    unit: "MiB/s",
    better: "higher",
    peer: { name: "age-encryption", value: median(theirs) },
    runs: ENCRYPT_ROUNDS,
  });
}

async function* toAsync(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* pieces;
}
