import assert from "node:assert/strict";
import { test } from "node:test";
import { trackUploads } from "../../../mover/known-uploads.ts";
import { Upkeep, type UpkeepOptions } from "../../../mover/upkeep.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { silentLog, type Log } from "../../../shared/log.ts";
import type { VaultName } from "../../../shared/names.ts";
import { realTiming } from "../../../shared/retry.ts";
import type { ListOptions, OpenUpload, StoreClock, UploadLister, VaultWriter } from "../../../shared/stores.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const HOUR = 3_600_000;
const signal = AbortSignal.timeout(10_000);

/** Pages of two, as a store would give them. */
class Uploads implements UploadLister, StoreClock, Pick<VaultWriter, "abortUpload"> {
  left: OpenUpload[];
  readonly aborted: string[] = [];
  readonly #offsetMs: number;

  constructor(uploads: readonly (readonly [key: string, ageHours: number])[], offsetMs = 0) {
    this.#offsetMs = offsetMs;
    this.left = uploads.map(([key, ageHours]) => ({
      key,
      uploadId: `id of ${key}`,
      begunAt: new Date(NOW + offsetMs - ageHours * HOUR),
    }));
  }

  async listUploads({ prefix, cursor, limit }: ListOptions) {
    assert.ok(limit <= 1000);
    const from = Number(cursor ?? 0);
    const all = this.left.filter(({ key }) => key.startsWith(prefix));
    return { uploads: all.slice(from, from + 2), next: from + 2 < all.length ? String(from + 2) : null };
  }

  async abortUpload({ key }: { key: string }): Promise<void> {
    this.aborted.push(key);
  }

  clockOffsetMs(): number {
    return this.#offsetMs;
  }

  requests() {
    return { "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, none: 0 };
  }
}

function upkeep(options: Partial<UpkeepOptions>): { readonly lines: string[]; readonly upkeep: Upkeep } {
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    info: (event, fields) => lines.push(`${event} ${String(fields?.key)}`),
    warn: (event, fields) => lines.push(`${event} ${String(fields?.count)} ${String(fields?.key)}`),
    failure: (event, error, fields) => lines.push(`${event} ${error.code} ${String(fields?.store)}`),
  };
  const given: UpkeepOptions = {
    mover: "mover-a",
    vault: new Uploads([]),
    dropZone: new Uploads([]),
    isOurs: (host) => ["web1", "constructor"].includes(host),
    isKnown: () => false,
    timing: { ...realTiming, now: () => NOW },
    log,
    ...options,
  };
  return { lines, upkeep: new Upkeep(given) };
}

test("uploads that were left in the vault over a day ago are aborted: our hosts' and our probe's, whatever page they are on", async () => {
  const vault = new Uploads([
    ["archive/web1/files/a", 25],
    ["archive/web1/files/young", 23],
    ["archive/web2/another/movers", 1000],
    ["archive/constructor/_long/b", 24.01],
    ["archive/web1", 1000],
    ["archive/web1/files/c", 48],
    ["_airlock/probe/mover-a/create-only", 25],
    ["_airlock/probe/mover-b/create-only", 25],
    ["elsewhere/web1/x", 1000],
  ]);
  const { lines, upkeep: kept } = upkeep({ vault });
  await kept.once(signal);
  const aborted = [
    "archive/web1/files/a",
    "archive/constructor/_long/b",
    "archive/web1/files/c",
    "_airlock/probe/mover-a/create-only",
  ];
  assert.deepEqual(vault.aborted, aborted);
  assert.deepEqual(
    lines,
    aborted.map((key) => `upload-aborted ${key}`),
  );
});

test("one that can't be aborted does not keep the others; when none can, that is the end of it", async () => {
  const ages = (names: readonly string[]) => names.map((name) => [`archive/web1/${name}`, 48] as const);
  for (const [names, refused, tried] of [
    [["a", "b", "c"], ["a"], 3],
    [Array.from({ length: 50 }, (_, index) => `n${index}`), null, 10],
  ] as const) {
    const vault = new Uploads(ages(names));
    const asked: string[] = [];
    vault.abortUpload = async ({ key }) => {
      asked.push(key);
      if (refused === null || refused.some((name) => key.endsWith(`/${name}`)))
        throw new AirlockError("access-denied", "injected");
    };
    const { lines, upkeep: kept } = upkeep({ vault });
    await kept.once(signal);
    assert.equal(asked.length, tried);
    assert.ok(lines.includes("upkeep-failed access-denied vault"), lines.join());
    assert.equal(lines.filter((line) => line.startsWith("upload-aborted")).length, refused === null ? 0 : 2);
  }
});

test("an upload's age is told by the store's own clock", async () => {
  const vault = new Uploads(
    [
      ["archive/web1/old", 25],
      ["archive/web1/young", 23],
    ],
    30 * HOUR,
  );
  await upkeep({ vault }).upkeep.once(signal);
  assert.deepEqual(vault.aborted, ["archive/web1/old"]);
});

test("an upload that this process is at work on is left alone, for days; once given up, it is not", async () => {
  const begun = { key: "archive/web1/files/large", uploadId: "id of archive/web1/files/large" };
  const refuses: VaultWriter = {
    bucket: "vault",
    createObject: async () => null,
    beginUpload: async () => begun,
    uploadPart: async (_, number) => ({ number, etag: "", checksum: null }),
    completeUpload: async () => null,
    abortUpload: async () => {
      throw new AirlockError("store-unavailable", "no answer");
    },
  };
  const { vault: tracked, isKnown } = trackUploads(refuses);
  const attributes = { metadata: new Map<string, string>() };
  await tracked.beginUpload(begun.key as VaultName, { attributes, signal }); // a name that a move would have made
  const vault = new Uploads([[begun.key, 72]]);
  const { upkeep: kept } = upkeep({ vault, isKnown });
  await kept.once(signal);
  assert.deepEqual(vault.aborted, []);
  await assert.rejects(tracked.abortUpload(begun, signal), /no answer/);
  await kept.once(signal);
  assert.deepEqual(vault.aborted, [begun.key]);
});

test("those in the drop-zone are reported, once for the same ones, and never aborted", async () => {
  const dropZone = new Uploads([
    ["web1/files/a", 30],
    ["web1/files/b", 50],
    ["web1/files/young", 1],
    ["web2/files/another", 1000],
  ]);
  const { lines, upkeep: kept } = upkeep({ dropZone });
  await kept.once(signal);
  await kept.once(signal);
  assert.equal(kept.staleUploads, 2);
  assert.deepEqual(lines, ["uploads-unfinished 2 web1/files/b"]);
  dropZone.left = [];
  await kept.once(signal);
  assert.equal(kept.staleUploads, 0);
  assert.deepEqual([lines.length, dropZone.aborted], [1, []]);
});

test("a store that does not let itself be asked keeps nothing from the other, and ends nothing", async () => {
  const dropZone = new Uploads([["web1/files/a", 30]]);
  const vault = new Uploads([]);
  vault.listUploads = () => Promise.reject(new AirlockError("access-denied", "the store denies it (403)"));
  const { lines, upkeep: kept } = upkeep({ dropZone, vault });
  await kept.once(signal);
  assert.deepEqual(lines, ["upkeep-failed access-denied vault", "uploads-unfinished 1 web1/files/a"]);
});

test("a listing without an end costs a bounded number of requests", async () => {
  let asked = 0;
  const dropZone = new Uploads([]);
  dropZone.listUploads = async () => ({ uploads: [], next: String(++asked) });
  await upkeep({ dropZone }).upkeep.once(signal);
  assert.ok(asked <= 20, String(asked));
});

test("it comes again about every hour, until it is told to end", async () => {
  const ended = new AbortController();
  const waits: number[] = [];
  const timing = {
    ...realTiming,
    now: () => NOW,
    sleep: async (durationMs: number) => {
      waits.push(durationMs);
      if (waits.length === 3) ended.abort();
    },
  };
  await upkeep({ timing }).upkeep.run(ended.signal);
  assert.equal(waits.length, 3);
  for (const waitMs of waits) assert.ok(waitMs > 0.8 * HOUR && waitMs < 1.2 * HOUR, String(waitMs));
});
