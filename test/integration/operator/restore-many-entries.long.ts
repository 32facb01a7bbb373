/** An archive of very many entries from a few MiB: restored, in memory that does not grow with it. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { isAirlockError } from "../../../shared/errors.ts";
import { makeTar } from "../../unit/operator/make-tar.ts";
import { restoreHere } from "../../unit/operator/restore-here.ts";

const ENTRIES = 100_000;
const END_BYTES = 1024;
const base = await mkdtemp(join(tmpdir(), "airlock-many-"));
after(() => rm(base, { recursive: true }));

/** Frames one after the other are one stream to any zstd; each is made of 10,000 members without the archive's end. */
function makeArchive(): Buffer {
  const frames: Buffer[] = [];
  for (let first = 0; first < ENTRIES; first += 10_000) {
    const members = Array.from({ length: 10_000 }, (_, index) => ({ name: `d/${first / 10_000}/${index}` }));
    frames.push(zstdCompressSync(makeTar(members).subarray(0, -END_BYTES)));
  }
  return Buffer.concat([...frames, zstdCompressSync(Buffer.alloc(END_BYTES))]);
}

test("a hundred thousand entries are restored, and with a lower limit refused without a trace", async () => {
  const bytes = makeArchive();
  const object = { name: "etc.tar.zst", encoding: ["tar", "zstd"] as const, bytes };
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50);
  const to = join(base, "target");
  const restored = await restoreHere(object, { to });
  clearInterval(watch);
  assert.equal(restored.files, ENTRIES);
  assert.deepEqual(await readdir(to), ["d"]);
  assert.ok(peak - before < 200 * 1024 * 1024, `${Math.round((peak - before) / 1024 / 1024)} MiB more`);

  const refused = join(base, "refused");
  await assert.rejects(restoreHere(object, { to: refused, maxBytes: 10_000_000 }), (error) =>
    isAirlockError(error, "object-too-large"),
  );
  assert.deepEqual(await readdir(refused), []);
});
