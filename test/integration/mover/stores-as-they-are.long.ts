/** Every kind of store that is known: it works, or the mover refuses it at its start and says what to do. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { PutBucketVersioningCommand } from "@aws-sdk/client-s3";
import { runMoverHere, verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, type World, type WorldOptions } from "../../support/world.ts";
import { newKey, put } from "./craft.ts";

const MiB = 1024 * 1024;

interface Kind {
  readonly what: string;
  readonly store: WorldOptions;
  /** After the buckets were made. */
  readonly prepare?: (world: World) => Promise<void>;
  /** What the refusal says, and to do; without it the store works, with these warnings. */
  readonly refused?: RegExp;
  readonly warns?: readonly RegExp[];
}

async function suspend(world: World): Promise<void> {
  const VersioningConfiguration = { Status: "Suspended" } as const;
  await world.dropZoneOwner.send(new PutBucketVersioningCommand({ Bucket: DROP_ZONE, VersioningConfiguration }));
}

const FOREIGN = "foreign: true";
const LAST_ONLY = /keeps no versions: a foreign object .* would be lost\n.*turn on versioning/;

const KINDS: readonly Kind[] = [
  { what: "all of S3's promises", store: {} },
  {
    what: "drop-zone without conditional writes",
    store: { quirks: { dropZone: { ignoresCreateOnlyPut: true, ignoresCreateOnlyComplete: true } } },
    warns: [/create-only writes .* are not honoured/],
  },
  {
    what: "drop-zone without versions or conditional writes",
    store: { versioned: false, quirks: { dropZone: { ignoresCreateOnlyPut: true, ignoresCreateOnlyComplete: true } } },
    warns: [/create-only writes .* are not honoured/],
  },
  { what: "drop-zone without versions", store: { versioned: false } },
  {
    what: "drop-zone without versions, foreign objects",
    store: { versioned: false, hostOptions: FOREIGN },
    refused: LAST_ONLY,
  },
  {
    what: "drop-zone without versions, that ignores conditional deletes",
    store: { versioned: false, quirks: { dropZone: { conditionalDelete: "ignored" } } },
  },
  {
    what: "drop-zone without versions, that ignores conditional deletes, foreign objects",
    store: { versioned: false, hostOptions: FOREIGN, quirks: { dropZone: { conditionalDelete: "ignored" } } },
    refused: LAST_ONLY,
  },
  {
    what: "drop-zone without versions, that refuses conditional deletes",
    store: { versioned: false, quirks: { dropZone: { conditionalDelete: "refused" } } },
    refused: /refuses every conditional delete: nothing could ever be released\n.*turn on versioning/,
  },
  { what: "drop-zone whose versions are suspended", store: {}, prepare: suspend },
  {
    what: "drop-zone whose versions are suspended, foreign objects",
    store: { hostOptions: FOREIGN },
    prepare: suspend,
    refused: LAST_ONLY,
  },
  { what: "drop-zone without batches of deletes", store: { quirks: { dropZone: { hasNoBatchDelete: true } } } },
  { what: "drop-zone that takes altered bytes", store: { quirks: { dropZone: { takesAlteredBytes: true } } } },
  {
    what: "vault without checksums",
    store: { quirks: { vault: { takesAlteredBytes: true } } },
    refused: /neither a wrong checksum nor a wrong payload hash is refused\n.*`verify: readback`/,
  },
  {
    what: "vault without checksums, read back",
    store: { verify: "readback", quirks: { vault: { takesAlteredBytes: true } } },
  },
  {
    what: "vault without conditional writes",
    store: { quirks: { vault: { ignoresCreateOnlyPut: true, ignoresCreateOnlyComplete: true } } },
    refused:
      /PutObject and CompleteMultipartUpload with If-None-Match overwrites.*\n.*a store that honours If-None-Match/,
  },
  {
    what: "vault without conditional writes, read back",
    store: { verify: "readback", quirks: { vault: { ignoresCreateOnlyPut: true, ignoresCreateOnlyComplete: true } } },
    refused: /PutObject and CompleteMultipartUpload with If-None-Match overwrites/,
  },
  {
    what: "vault whose uploads complete over what is there",
    store: { quirks: { vault: { ignoresCreateOnlyComplete: true } } },
    refused: /CompleteMultipartUpload with If-None-Match overwrites/,
  },
  {
    what: "vault without versions or lock",
    store: { vaultVersions: "none" },
    warns: [/versioning is off/, /no default retention/],
  },
  {
    what: "vault without versions, lock or checksums, read back",
    store: { vaultVersions: "none", verify: "readback", quirks: { vault: { takesAlteredBytes: true } } },
    warns: [/versioning is off/, /no default retention/],
  },
  { what: "vault whose parts have to be equal (R2)", store: { quirks: { vault: { needsEqualParts: true } } } },
  {
    what: "vault of fewer parts",
    store: { vaultOptions: "parts: { max: 100 }", quirks: { vault: { maxParts: 100, needsEqualParts: true } } },
  },
];

describe("a store as it is", { concurrency: 2 }, () => {
  for (const { what, store, prepare, refused, warns = [] } of KINDS) {
    test(`${what}: ${refused === undefined ? "works" : "is refused, with the remedy"}`, async () => {
      await using world = await startWorld(store);
      await prepare?.(world);
      const bodies = [randomBytes(10), randomBytes(1000), randomBytes(17 * MiB + 1)];
      for (const bytes of bodies) await world.putSigned("web1", bytes, { partBytes: 6 * MiB });
      const before = await world.listDropZone();
      const ran = await runMoverHere(world);
      const warned = ran.events
        .filter(({ event }) => event === "store-weak")
        .map(({ fields }) => String(fields.reason));
      if (refused !== undefined) {
        assert.equal(ran.exit, 2);
        assert.match(ran.error?.message ?? "", refused);
        assert.deepEqual(await world.listDropZone(), before);
        assert.deepEqual(await world.listVault(), []);
        return;
      }
      assert.equal(ran.exit, 0, JSON.stringify(ran.events.at(-1)));
      assert.equal(warned.length, warns.length, warned.join("\n"));
      for (const warning of warns) assert.ok(warned.some((reason) => warning.test(reason)));
      assert.ok(ran.events.some(({ event, fields }) => event === "probed" && "dropZoneVersioned" in fields));
      assert.deepEqual(await world.listDropZone(), []);
      const sizes = (await world.listVault()).map(({ sizeBytes }) => sizeBytes);
      assert.deepEqual(
        sizes.toSorted((a, b) => a - b),
        bodies.map(({ length }) => length),
      );
      const verified = await verifyHere(world);
      assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
    });
  }

  test("suspended versions: what was there before, under ids, and what came after leave as what they are", async () => {
    await using world = await startWorld({ hostOptions: "signatures: none" });
    const [before, after] = [newKey("web1"), newKey("web1")];
    await put(world, before, Buffer.from("a version with an id"));
    await suspend(world);
    await put(world, after, Buffer.from("the version called null"));
    assert.deepEqual(
      new Set((await world.listDropZone()).map(({ versionId }) => versionId !== null)),
      new Set([true, false]),
    );
    assert.equal((await runMoverHere(world)).exit, 0);
    assert.deepEqual(await world.listDropZone(), []);
    assert.equal((await world.listVault()).length, 2);
  });

  test("check says what was found: versions, deletes, checksums, parts", async () => {
    await using world = await startWorld({ vaultOptions: "parts: { max: 1000 }" });
    await suspend(world);
    const checked = await world.run("mover", ["check"]);
    assert.match(checked.stdout, /drop-zone: versions +suspended/);
    assert.match(checked.stdout, /vault: parts of one upload +at most 1000, all but the last of one size/);
  });
});
