import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { isAirlockError } from "../../../shared/errors.ts";
import { silentLog } from "../../../shared/log.ts";
import type { Encoding } from "../../../uploader/encode.ts";
import { openSource, type Input } from "../../../uploader/put-source.ts";
import { SAMPLE_BYTES } from "../../../uploader/sample.ts";

const ZSTD: Encoding = { compress: { level: 3, windowLog: null }, recipients: null };
const signal = AbortSignal.timeout(60_000);
const stdin: Input = { kind: "stdin" };

interface Given {
  readonly bytes?: Uint8Array;
  readonly encoding?: Encoding;
  readonly givenName?: string;
}

function open(input: Input, { bytes = new Uint8Array(), encoding = ZSTD, givenName = "f" }: Given = {}) {
  const piped = Readable.from(cut(bytes), { objectMode: false });
  return openSource(input, {
    set: "s",
    givenName,
    encoding,
    startedAt: new Date(0),
    env: process.env,
    kill: (pid, name) => process.kill(pid, name),
    stdin: piped,
    log: silentLog,
  });
}

/** As a pipe gives them. */
function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  // a piece is there until the next one is asked for
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Text that zstd makes a third or so of, never the same twice. */
function text(sizeBytes: number): Buffer {
  return Buffer.from(
    randomBytes(Math.ceil(sizeBytes / 2))
      .toString("hex")
      .slice(0, sizeBytes),
  );
}

describe("a source's beginning decides whether it is compressed", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "airlock-source-"));
  });
  after(() => rm(folder, { recursive: true }));

  const noise = randomBytes(2 * SAMPLE_BYTES);
  const jpegHead = Buffer.concat([Buffer.from("ffd8ffe000104a46494600010100", "hex"), randomBytes(4_000)]);
  const cases: readonly (readonly [what: string, bytes: Buffer, compressed: boolean])[] = [
    ["random bytes", noise, false],
    ["what zstd has compressed", zstdCompressSync(text(4 * SAMPLE_BYTES)), false],
    ["text", text(3 * SAMPLE_BYTES), true],
    ["an empty input", Buffer.alloc(0), false],
    ["a word", Buffer.from("hello"), false],
    ["a page of zeros", Buffer.alloc(4096), true],
    ["a picture's header, then text", Buffer.concat([jpegHead, text(2 * SAMPLE_BYTES)]), true],
    ["a sample of noise, then text", Buffer.concat([noise.subarray(0, SAMPLE_BYTES), text(SAMPLE_BYTES)]), false],
    ["a sample of text, then noise", Buffer.concat([text(SAMPLE_BYTES), noise]), true],
    ...[-1, 0, 1].flatMap((more) => [
      [`${SAMPLE_BYTES + more} bytes of text`, text(SAMPLE_BYTES + more), true] as const,
      [`${SAMPLE_BYTES + more} bytes of noise`, noise.subarray(0, SAMPLE_BYTES + more), false] as const,
    ]),
  ];
  for (const [what, bytes, compressed] of cases) {
    it(`${what}: ${compressed ? "compressed" : "stored plainly"}, from a pipe and from a file`, async () => {
      const path = join(folder, "f");
      await writeFile(path, bytes);
      for (const input of [stdin, { kind: "paths", paths: [path] }] as const) {
        await using begun = await (await open(input, { bytes })).begin(signal);
        const { source } = begun;
        assert.deepEqual(source.encoding, compressed ? ["zstd"] : []);
        assert.equal(source.name, compressed ? "f.zst" : "f");
        const stored = await collect(source.open(signal));
        assert.ok((compressed ? zstdDecompressSync(stored) : stored).equals(bytes));
        const isKnown: boolean = input !== stdin && !compressed && bytes.length > 0;
        assert.equal(source.expectedBytes, isKnown ? bytes.length : null);
        assert.equal(source.isRepeatable, input !== stdin && bytes.length > 0);
        if (source.isRepeatable) assert.ok((await collect(source.open(signal))).equals(stored), "the same again");
      }
    });
  }

  it("keeps the encryption of what is not compressed", async () => {
    const recipients = [await identityToRecipient(await generateX25519Identity())];
    await using begun = await (await open(stdin, { bytes: noise, encoding: { ...ZSTD, recipients } })).begin(signal);
    assert.deepEqual(begun.source.encoding, ["age"]);
    assert.equal(begun.source.name, "f.age");
    assert.match((await collect(begun.source.open(signal))).toString("latin1"), /^age-encryption\.org\/v1\n/);
  });

  it("always compresses a folder", async () => {
    const path = join(folder, "pictures");
    await mkdir(path);
    await writeFile(join(path, "1.jpg"), noise);
    await using begun = await (await open({ kind: "paths", paths: [path] })).begin(signal);
    assert.equal(begun.source.name, "f.tar.zst");
  });

  it("refuses a given name that fits only without a suffix, whatever the bytes", async () => {
    await assert.rejects(open(stdin, { bytes: noise, givenName: "x".repeat(242) }), (error) =>
      isAirlockError(error, "usage"),
    );
  });

  it("fails with the command that fails before it has given a sample", async () => {
    const given = await open({ kind: "command", command: ["sh", "-c", "echo x; exit 3"] });
    await assert.rejects(given.begin(signal), (error) => isAirlockError(error, "command-failed"));
  });

  it("ends a command whose output nobody reads on, and one that waits when it is interrupted", async () => {
    const command = ["sh", "-c", `head -c ${2 * SAMPLE_BYTES} /dev/zero; exec sleep 600`] as const;
    {
      await using begun = await (await open({ kind: "command", command })).begin(signal);
      assert.equal(begun.source.name, "f.zst");
    } // disposing waits for the command's end
    await using begun = await (await open({ kind: "command", command })).begin(signal);
    const abort = new AbortController();
    const reading = collect(begun.source.open(abort.signal));
    abort.abort();
    await assert.rejects(reading);
    const stopped = new AbortController();
    const beginning = (await open({ kind: "command", command: ["sleep", "600"] })).begin(stopped.signal);
    stopped.abort();
    await assert.rejects(beginning, (error) => isAirlockError(error, "interrupted"));
  });
});
