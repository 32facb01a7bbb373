/** Parts that wait in a file of the spool go over the wire like those in memory, on both transports. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openDropZoneWriter } from "../../../shared/s3/drop-zone-writer.ts";
import { readUploaderConfig } from "../../../uploader/config.ts";
import { startWorld, type World } from "../../support/world.ts";

const MIB = 1024 ** 2;

describe("DropZoneWriter.uploadPart from a file", () => {
  let world: World;
  let path: string;
  const bytes = randomBytes(12 * MIB + 7);
  before(async () => {
    world = await startWorld();
    path = join(world.dir, "slices");
    await writeFile(path, bytes);
  });
  after(() => world[Symbol.asyncDispose]());

  for (const transport of ["http", "sdk"] as const) {
    for (const integrity of ["signed-payload", "checksum-unsigned"] as const) {
      for (const checksums of ["auto", "required-only"] as const) {
        it(`sends exactly the slice, again after a failure: ${transport}, ${integrity}, ${checksums}`, async () => {
          const { dropZone } = await readUploaderConfig(world.uploaderConfig("web1"));
          await using writer = await openDropZoneWriter({ ...dropZone, checksums }, { transport, integrity });
          await using file = await open(path);
          const { signal } = new AbortController();
          const key = `web1/x/${transport}-${integrity}-${checksums}`;
          const upload = await writer.beginUpload(key, { attributes: { metadata: new Map() }, signal });
          const slices = [
            { file, offset: 3, length: 6 * MIB },
            { file, offset: 3 + 6 * MIB, length: 6 * MIB + 4 },
          ];
          const fault = world.server.faults.add({
            operation: "UploadPart",
            times: 1,
            fault: { kind: "reset", when: "before" },
          });
          await assert.rejects(writer.uploadPart(upload, 1, slices[0] ?? Buffer.alloc(0), signal));
          fault.remove();
          const parts = [];
          for (const [index, slice] of slices.entries())
            parts.push(await writer.uploadPart(upload, index + 1, slice, signal));
          await writer.completeUpload(upload, parts, signal);
          const stored = await world.readDropZone(key);
          const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
          assert.equal(digest(stored), digest(bytes.subarray(3)));
        });
      }
    }
  }

  it("sends nothing short when the file is shorter than its slice", async () => {
    const { dropZone } = await readUploaderConfig(world.uploaderConfig("web1"));
    await using writer = await openDropZoneWriter(dropZone);
    await using file = await open(path);
    const { signal } = new AbortController();
    const upload = await writer.beginUpload("web1/x/short", { attributes: { metadata: new Map() }, signal });
    await assert.rejects(writer.uploadPart(upload, 1, { file, offset: bytes.length - 10, length: 20 }, signal));
  });
});
