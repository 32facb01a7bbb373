/**
 * A drop-zone that lies, as whoever holds its whole account can make it: once, and then all is well and everything
 * crosses; or always, and then nothing is archived, nothing released, and the mover comes to an end.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readStatus } from "../../../mover/status.ts";
import type { FaultKind, FaultRule } from "../../s3-server/server.ts";
import { HURRIED, runMoverHere, SHORT, type RanHere } from "../../support/run-here.ts";
import { DROP_ZONE, type World } from "../../support/world.ts";
import { assertWhole, countUploads, prepare, runSome, type Kind } from "./whole.ts";

const MiB = 1024 * 1024;

interface Lie {
  readonly what: string;
  readonly kind: Kind;
  readonly rule: Omit<FaultRule, "times">;
  /** How often it is told before all is well. Default: 1. */
  readonly times?: number;
  /** What becomes of the object while it goes on. Default: tried again, and given up by `--once`. */
  readonly always?: "given up" | "held" | "sweep-fails";
}

/** Of the host's object itself, its statement not included. */
const OBJECT = /file\.bin$/;

function body(what: string, kind: Kind, fault: FaultKind, more: Partial<Lie> = {}): Lie {
  return { what, kind, rule: { operation: "GetObject", bucket: DROP_ZONE, key: OBJECT, fault }, ...more };
}

function listing(what: string, answer: string | (() => AsyncIterable<Uint8Array>)): Lie {
  const text = typeof answer === "string" ? `<ListVersionsResult>${answer}</ListVersionsResult>` : answer;
  const fault: FaultKind = { kind: "replace", when: "before", status: 200, body: text };
  // the first two are the start-up probe's, of its own prefix
  return {
    what,
    kind: "small",
    rule: { operation: "ListObjectVersions", bucket: DROP_ZONE, nth: 3, fault },
    times: 4,
    always: "sweep-fails",
  };
}

const DATE = "<LastModified>2026-11-21T00:00:00.000Z</LastModified>";
const REST = `<VersionId>v</VersionId><ETag>&quot;x&quot;</ETag><Size>1</Size>${DATE}`;

const LIES: readonly Lie[] = [
  // first, since it takes longest
  body("no answer", "small", { kind: "hang", when: "before" }),
  body("a body that ends early", "small", { kind: "truncate", atByte: 5_000 }),
  body("a body that does not begin", "small", { kind: "truncate", atByte: 0 }),
  body("a body that is reset", "small", { kind: "reset-response", atByte: 5_000 }),
  body("a part that ends early", "large", { kind: "truncate", atByte: 4 * MiB }),
  body("a flipped byte", "small", { kind: "flip", atByte: 5_000 }, { always: "held" }),
  body("a flipped byte in a part", "large", { kind: "flip", atByte: 0 }, { always: "held" }),
  body("a smaller size", "small", { kind: "headers", headers: { "content-length": "9999" } }),
  body("a larger size", "small", { kind: "headers", headers: { "content-length": "10001" } }),
  body("an enormous size", "small", { kind: "headers", headers: { "content-length": "99999999999999999999" } }),
  body("another part of the object", "large", {
    kind: "headers",
    headers: { "content-range": `bytes 1-${8 * MiB}/${8 * MiB + 1}` },
  }),
  body("another size of the whole", "large", {
    kind: "headers",
    headers: { "content-range": `bytes 0-${8 * MiB - 1}/${9 * MiB}` },
  }),
  body("no range", "large", { kind: "headers", headers: { "content-range": null } }),
  body("another ETag", "small", { kind: "headers", headers: { etag: '"00000000000000000000000000000000"' } }),
  body("no ETag", "small", { kind: "headers", headers: { etag: null } }),
  body("100,000 bytes of metadata", "small", {
    kind: "headers",
    headers: { "x-amz-meta-airlock": "A".repeat(100_000) },
  }),
  body("a body that drips", "small", {
    kind: "replace",
    when: "before",
    status: 200,
    headers: { "content-length": "10000" },
    body: drip,
  }),
  body("a body without end", "small", {
    kind: "replace",
    when: "before",
    status: 200,
    headers: { etag: '"x"' },
    body: () => endless("x".repeat(65_536)),
  }),
  body("another 200 than a GET's", "small", { kind: "replace", when: "before", status: 200, body: "<ok/>" }),
  body("nobody there", "small", {
    kind: "replace",
    when: "before",
    status: 404,
    body: "<Error><Code>NoSuchKey</Code></Error>",
  }),
  body("an error without end", "small", {
    kind: "replace",
    when: "before",
    status: 500,
    body: () => endless("x".repeat(65_536)),
  }),
  listing("a listing that is no XML", "\u0000&<<<"),
  listing("a listing that goes on and does not move", "<IsTruncated>true</IsTruncated>"),
  listing(
    "a key that does not begin with the prefix, or has no ETag",
    `<Version><Key>web1/x</Key><Size>1</Size>${DATE}</Version>`,
  ),
  listing(
    "a size that is none",
    `<Version><Key>web1/x</Key><VersionId>v</VersionId><ETag>x</ETag><Size>-1</Size>${DATE}</Version>`,
  ),
  listing(
    "a date that is none",
    "<Version><Key>web1/x</Key><ETag>x</ETag><Size>1</Size><LastModified>soon</LastModified></Version>",
  ),
  listing("more entries than were asked for", `<Version><Key>web1/x</Key>${REST}</Version>`.repeat(1_001)),
  listing("a listing without end", () => endless(`<Version><Key>web1/x</Key>${REST}</Version>`.repeat(300))),
];

async function* drip(): AsyncIterable<Uint8Array> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    yield Buffer.from("x");
  }
}

async function* endless(text: string): AsyncIterable<Uint8Array> {
  const chunk = Buffer.from(text);
  for (;;) yield chunk;
}

/** Ten to the ninth "lol"s, if anybody expanded them. */
async function* bomb(): AsyncIterable<Uint8Array> {
  const entities = Array.from({ length: 9 }, (_, n) => `<!ENTITY a${n + 1} "${`&a${n};`.repeat(10)}">`);
  yield Buffer.from(`<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "lol">${entities.join("")}]>`);
  yield Buffer.from(`<ListVersionsResult><Version><Key>web1/&a9;</Key>${REST}</Version></ListVersionsResult>`);
}

async function assertNothingMoved(world: World): Promise<void> {
  assert.deepEqual(await world.listVault(), [], "nothing is archived");
  assert.equal(await countUploads(world), 0, "nothing is left half-way");
  assert.ok(
    (await world.listDropZone()).some(({ key }) => OBJECT.test(key)),
    "nothing is released",
  );
}

function outcomeOf({ exit, printed, error }: RanHere): unknown {
  return { exit, printed: printed[0], code: error?.code };
}

const NEARLY_DONE = { objects: 0, bytes: 0 };
const OUTCOMES = {
  "given up": { exit: 3, printed: { ...NEARLY_DONE, held: 0, failed: 1 }, code: "store-unavailable" },
  held: { exit: 0, printed: { ...NEARLY_DONE, held: 1, failed: 0 }, code: undefined },
  "sweep-fails": { exit: 3, printed: undefined, code: "store-unavailable" },
};

describe("a drop-zone that lies", { concurrency: 2 }, () => {
  test("once: it is tried again, and everything crosses as it was signed", { concurrency: 4 }, async (t) => {
    await runSome(LIES, 4, ({ what, kind, rule, times = 1, always }) =>
      t.test(what, async () => {
        const prepared = await prepare(true, [kind]);
        await using world = prepared.world;
        const lie = world.server.faults.add({ ...rule, times });
        const first = await runMoverHere(world, { timing: HURRIED });
        assert.equal(first.exit, 0, String(first.error));
        assert.equal(lie.fired, times);
        if (always === "held") {
          // what does not fit its signature is looked at again later, or after a restart
          await assertNothingMoved(world);
          assert.equal((await runMoverHere(world, { timing: HURRIED })).exit, 0);
        }
        await assertWhole(prepared);
      }),
    );
  });

  test(
    "always: nothing is archived, nothing is released, and the mover says so and ends",
    { concurrency: 4 },
    async (t) => {
      await runSome(LIES, 4, ({ what, kind, rule, always = "given up" }) =>
        t.test(what, async () => {
          const prepared = await prepare(true, [kind]);
          await using world = prepared.world;
          world.server.faults.add(rule);
          const connecting = { ...SHORT, retry: { attempts: 2, baseMs: 10, capMs: 50 } };
          const ran = await runMoverHere(world, { timing: HURRIED, connecting });
          world.server.faults.clear();
          assert.deepEqual(outcomeOf(ran), OUTCOMES[always], String(ran.error));
          await assertNothingMoved(world);
        }),
      );
    },
  );
});

test("entities that would become more and more become nothing", async () => {
  const prepared = await prepare(true, ["small"]);
  await using world = prepared.world;
  const fault: FaultKind = { kind: "replace", when: "before", status: 200, body: bomb };
  world.server.faults.add({ operation: "ListObjectVersions", bucket: DROP_ZONE, nth: 3, fault });
  const ran = await runMoverHere(world, { timing: HURRIED });
  world.server.faults.clear();
  assert.deepEqual(outcomeOf(ran), OUTCOMES.held);
  const { held } = await readStatus(join(world.dir, "state"));
  assert.deepEqual(held, [{ host: "web1", reason: "form-invalid", objects: ["web1/@v"] }]);
  assert.equal((await runMoverHere(world, { timing: HURRIED })).exit, 0);
  await assertWhole(prepared);
});

test("a redirect is never followed, wherever it leads", async () => {
  let visits = 0;
  const elsewhere = createServer((_, response) => {
    visits++;
    response.end();
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  try {
    const address = elsewhere.address();
    assert.ok(typeof address === "object" && address !== null);
    const location = `http://127.0.0.1:${address.port}/`;
    for (const operation of ["GetObject", "ListObjectVersions"] as const) {
      const prepared = await prepare(true, ["small"]);
      await using world = prepared.world;
      const fault: FaultKind = { kind: "replace", when: "before", status: 307, headers: { location } };
      world.server.faults.add({ operation, bucket: DROP_ZONE, nth: operation === "GetObject" ? 1 : 3, fault });
      const ran = await runMoverHere(world, { timing: HURRIED });
      world.server.faults.clear();
      assert.equal(ran.exit, 3);
      await assertNothingMoved(world);
      assert.equal((await runMoverHere(world, { timing: HURRIED })).exit, 0);
      await assertWhole(prepared);
    }
    assert.equal(visits, 0);
  } finally {
    elsewhere.close();
  }
});

test("a listing of ever more objects: bounded memory, and the mover still ends when told", async () => {
  const prepared = await prepare(true, ["small"]);
  await using world = prepared.world;
  let pages = 0;
  const drain = new AbortController();
  world.server.faults.add({
    operation: "ListObjectVersions",
    bucket: DROP_ZONE,
    nth: 3,
    fault: {
      kind: "replace",
      when: "before",
      status: 200,
      body: ({ query }) => {
        if (++pages === 60) drain.abort();
        const prefix = query.get("prefix") ?? "";
        const key = (n: number): string => `${prefix}no-host-${String(pages).padStart(6, "0")}-${n}`;
        const count = Number(query.get("max-keys"));
        const entries = Array.from({ length: count }, (_, n) => `<Version><Key>${key(n)}</Key>${REST}</Version>`);
        return `<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>${key(count)}</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>${entries.join("")}</ListVersionsResult>`;
      },
    },
  });
  globalThis.gc?.();
  const before = process.memoryUsage();
  const ran = await runMoverHere(world, { once: false, drain: drain.signal });
  const grownBytes = process.memoryUsage().heapUsed - before.heapUsed;
  assert.equal(ran.exit, 0, String(ran.error));
  assert.ok(pages >= 60 && pages < 70, `${pages} pages`);
  assert.ok(grownBytes < 100 * MiB, `${grownBytes} bytes more`);
  world.server.faults.clear();
  assert.equal((await runMoverHere(world)).exit, 0);
  await assertWhole(prepared);
});
