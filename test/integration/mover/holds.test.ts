import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { DeleteObjectCommand, ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { STATEMENT_SUFFIX, vaultNameOf } from "../../../shared/names.ts";
import { formatStatement, type Statement } from "../../../shared/statement.ts";
import type { StoredVersion } from "../../../shared/stores.ts";
import { runMoverHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type Ran, type World } from "../../support/world.ts";
import { eventsOf, inline, newKey, put, putBeside, putInline, readLedger, sign, stateOf } from "./craft.ts";

/** One object that must not cross, under which host it is counted, and why it is held. */
interface Case {
  readonly what: string;
  readonly host: string;
  readonly reason: string;
  /** Puts it; gives its key. */
  readonly put: (world: World) => Promise<string>;
}

const BYTES = Buffer.from("the bytes of a backup");
const OTHER_BYTES = Buffer.from("the bytes of a forger");

/** With a statement that is right but for these changes, signed by the host itself. */
function stated(what: string, reason: string, changes: Partial<Statement>): Case {
  return {
    what,
    host: "web1",
    reason,
    put: async (world) => {
      const key = newKey("web1");
      await putInline(world, key, BYTES, sign(world, "web1", stateOf("web1", key, BYTES, changes)));
      return key;
    },
  };
}

/** With something in a statement's place, made from the right one. */
function garbled(what: string, make: (right: string) => string): Case[] {
  const forged = (world: World, key: string): string =>
    make(formatStatement(sign(world, "web1", stateOf("web1", key, BYTES))));
  return [
    {
      what: `${what}, in its metadata`,
      host: "web1",
      reason: "statement-invalid",
      put: async (world) => {
        const key = newKey("web1");
        await putInline(world, key, BYTES, forged(world, key));
        return key;
      },
    },
    {
      what: `${what}, beside it`,
      host: "web1",
      reason: "statement-invalid",
      put: async (world) => {
        const key = newKey("web1");
        await putBeside(world, key, BYTES, [forged(world, key)]);
        return key;
      },
    },
  ];
}

/** Without a statement, under any key. */
function bare(what: string, host: string, reason: string, key: string): Case {
  return {
    what,
    host,
    reason,
    put: async (world) => {
      await put(world, key, BYTES);
      return key;
    },
  };
}

function insert(text: string, place: string, what: string): string {
  assert.ok(text.includes(place));
  return text.replace(place, place + what);
}

const CASES: readonly Case[] = [
  bare("a host that is not configured", "*", "host-unknown", newKey("stranger")),
  bare("no statement, of a host called constructor", "constructor", "statement-missing", newKey("constructor")),
  bare("a host called __proto__", "*", "host-unknown", "__proto__/files/x"),
  bare("a key without a host", "*", "host-unknown", "x"),
  bare("a key that climbs out", "*", "host-unknown", "../web1/x"),
  bare("a name of another form", "web1", "form-invalid", "web1/backup.tar"),
  bare("a name that climbs to another host", "web1", "form-invalid", "web1/../web2/x"),
  bare("control characters in the name", "web1", "form-invalid", "web1/\u0001\u001b[2J\r\u007f"),
  bare("a line feed in an otherwise good name", "web1", "form-invalid", newKey("web1").replace("file", "fi\nle")),
  bare("1,024 bytes of key", "web1", "form-invalid", `web1/${"x".repeat(1019)}`),
  bare("1,024 bytes of key that are no ASCII", "web1", "form-invalid", `web1/${"é".repeat(509)}x`),
  bare("no statement", "web1", "statement-missing", newKey("web1")),

  ...garbled("junk", () => randomBytes(300).toString("latin1")),
  ...garbled("nothing at all", () => " "),
  ...garbled("JSON that is no statement", () => "[]"),
  ...garbled("deep nesting", () => `${"[".repeat(600)}${"]".repeat(600)}`),
  ...garbled("a key more", (right) => insert(right, '"v":1,', '"admin":true,')),
  ...garbled("a key twice", (right) => insert(right, '"v":1,', '"size":1,')),
  ...garbled("__proto__ as a key", (right) => insert(right, '"v":1,', '"__proto__":{"size":1},')),
  ...garbled("another version's form", (right) => right.replace('"v":1', '"v":2')),
  ...garbled("a size that is no number", (right) => right.replace(/"size":\d+/, '"size":"21"')),
  ...garbled("a size beyond all numbers", (right) => right.replace(/"size":\d+/, '"size":1e400')),
  ...garbled("a number after seq 1 without prev", (right) => right.replace('"seq":1', '"seq":2')),
  {
    what: "metadata that is not base64url",
    host: "web1",
    reason: "statement-invalid",
    put: async (world) => {
      const key = newKey("web1");
      const statement = inline(sign(world, "web1", stateOf("web1", key, BYTES)));
      await put(world, key, BYTES, { Metadata: { airlock: `${statement}==` } });
      return key;
    },
  },
  {
    what: "more than 4 KiB in a statement's place",
    host: "web1",
    reason: "statement-invalid",
    put: async (world) => {
      const key = newKey("web1");
      const right = formatStatement(sign(world, "web1", stateOf("web1", key, BYTES)));
      await putBeside(world, key, BYTES, [right.padEnd(4097, " ")]);
      return key;
    },
  },
  {
    what: "a statement that cannot be read",
    host: "web1",
    reason: "object-unreadable",
    put: async (world) => {
      const key = newKey("web1");
      await put(world, key + STATEMENT_SUFFIX, Buffer.from("{}"), { StorageClass: "GLACIER" });
      await put(world, key, BYTES);
      return key;
    },
  },

  stated("a statement for another bucket", "statement-invalid", { bucket: "acme-other" }),
  stated("a statement for another key", "statement-invalid", { key: newKey("web1") }),
  stated("a statement of another host's", "statement-invalid", { host: "web2" }),
  stated("a statement of another set", "statement-invalid", { set: "etc" }),
  stated("a wrong digest", "digest-mismatch", { sha256: "0".repeat(64) }),
  {
    what: "a wrong digest of an object that crosses in parts",
    host: "web1",
    reason: "digest-mismatch",
    put: async (world) => {
      const key = newKey("web1");
      const bytes = randomBytes(9 * 1024 * 1024);
      await putBeside(world, key, bytes, [
        sign(world, "web1", stateOf("web1", key, bytes, { sha256: "0".repeat(64) })),
      ]);
      return key;
    },
  },
  stated("a wrong size", "size-mismatch", { size: BYTES.length + 1 }),
  stated("a size near the largest number", "size-mismatch", { size: Number.MAX_SAFE_INTEGER }),
  {
    what: "another host's signature",
    host: "web1",
    reason: "signature-invalid",
    put: async (world) => {
      const key = newKey("web1");
      await putInline(world, key, BYTES, sign(world, "web2", stateOf("web1", key, BYTES)));
      return key;
    },
  },
  {
    what: "a signature over another statement",
    host: "web1",
    reason: "signature-invalid",
    put: async (world) => {
      const key = newKey("web1");
      const { signature } = sign(world, "web1", stateOf("web1", key, BYTES));
      await putInline(world, key, BYTES, { signature, statement: stateOf("web1", key, BYTES, { encoding: ["age"] }) });
      return key;
    },
  },
  {
    what: "an old statement under a new name",
    host: "web1",
    reason: "statement-invalid",
    put: async (world) => {
      const key = newKey("web1");
      await putInline(world, key, BYTES, sign(world, "web1", stateOf("web1", newKey("web1"), BYTES)));
      return key;
    },
  },
  {
    what: "an old statement with new bytes of the same length",
    host: "web1",
    reason: "digest-mismatch",
    put: async (world) => {
      const key = newKey("web1");
      await putInline(world, key, OTHER_BYTES, sign(world, "web1", stateOf("web1", key, BYTES)));
      return key;
    },
  },
  {
    what: "statements beside it of which none verifies",
    host: "web1",
    reason: "signature-invalid",
    put: async (world) => {
      const key = newKey("web1");
      const forged = sign(world, "web2", stateOf("web1", key, BYTES));
      await putBeside(world, key, BYTES, [forged, forged, forged]);
      return key;
    },
  },
  {
    what: "encrypted with a key that only the host has (SSE-C)",
    host: "web1",
    reason: "object-unreadable",
    put: async (world) => {
      const key = newKey("web1");
      const customerKey = randomBytes(32);
      await put(world, key, BYTES, {
        Metadata: { airlock: inline(sign(world, "web1", stateOf("web1", key, BYTES))) },
        SSECustomerAlgorithm: "AES256",
        SSECustomerKey: customerKey.toString("base64"),
        SSECustomerKeyMD5: createHash("md5").update(customerKey).digest("base64"),
      });
      return key;
    },
  },
  {
    what: "in an archive storage class",
    host: "web1",
    reason: "object-unreadable",
    put: async (world) => {
      const key = newKey("web1");
      const Metadata = { airlock: inline(sign(world, "web1", stateOf("web1", key, BYTES))) };
      await put(world, key, BYTES, { Metadata, StorageClass: "GLACIER" });
      return key;
    },
  },
  {
    what: "with metadata that is longer than the vault takes, in the form in which it can be signed",
    host: "web1",
    reason: "object-unreadable",
    put: async (world) => {
      const key = newKey("web1");
      const airlock = inline(sign(world, "web1", stateOf("web1", key, BYTES)));
      // two spaces are no form that all stores sign in the same way
      const note = `x  ${"x".repeat(1900)}`.slice(0, 2000 - airlock.length);
      await put(world, key, BYTES, { Metadata: { airlock, note } });
      return key;
    },
  },
];

describe("what must not cross is held, and delays nothing else", () => {
  let world: World;
  let ran: Ran;
  /** Keys of the cases, in their order. */
  const keys: string[] = [];
  const good = new Map<string, Buffer>();
  let waiting: readonly StoredVersion[] = [];

  before(async () => {
    world = await startWorld({ hosts: ["web1", "web2", "constructor"] });
    const putGood = async (host: string): Promise<void> => {
      const bytes = randomBytes(1000);
      good.set((await world.putSigned(host, bytes)).key, bytes);
    };
    await putGood("web1");
    for (const one of CASES) keys.push(await one.put(world));
    for (const host of ["web1", "web2", "constructor"]) await putGood(host);
    waiting = await world.listDropZone();
    ran = await world.run("mover", ["run", "--once"]);
  });
  after(() => world[Symbol.asyncDispose]());

  test("the run ends well: what is held is no failure of the mover's", () => {
    assert.equal(ran.exit, 0, ran.stderr);
    assert.match(ran.stdout, new RegExp(`^moved 4 objects, .*; ${CASES.length} held, 0 failed\n$`));
  });

  test("all other objects of all hosts are archived, and nothing else is", async () => {
    const sources = waiting.filter(({ key }) => good.has(key));
    const names = new Map(sources.map((source) => [vaultNameOf({ bucket: DROP_ZONE, ...source }), source.key]));
    assert.equal(names.size, 4);
    assert.deepEqual((await world.listVault()).map(({ key }) => key).toSorted(), [...names.keys()].toSorted());
    for (const [name, key] of names) assert.deepEqual(await world.readVault(name), good.get(key));
    const archived = (await readLedger(world)).flatMap(({ entries }) => entries);
    assert.deepEqual(archived.flatMap(({ source }) => source?.key ?? []).toSorted(), [...good.keys()].toSorted());
  });

  test("what is held is still in the drop-zone, every version of it and of its statements", async () => {
    const left = waiting.filter(({ key }) => !good.has(key));
    assert.deepEqual(await world.listDropZone(), left);
  });

  test("of what was found out only after its parts had crossed, no upload is left in the vault", async () => {
    const { Uploads = [] } = await world.vaultOwner.send(new ListMultipartUploadsCommand({ Bucket: VAULT }));
    assert.deepEqual(Uploads, []);
  });

  for (const [index, { what, host, reason }] of CASES.entries()) {
    test(`${what}: held as ${reason}`, async () => {
      const key = keys[index] ?? "";
      const { stdout } = await heldOf(world);
      const { held } = JSON.parse(stdout) as { held: { host: string; reason: string; objects: string[] }[] };
      const found = held.filter(({ objects }) => objects.some((object) => object.startsWith(`${key}@`)));
      assert.deepEqual(
        found.map((one) => [one.host, one.reason]),
        [[host, reason]],
      );
    });
  }

  test("the ledger's holds line counts them by host and reason", async () => {
    const counts = new Map<string, Map<string, number>>();
    for (const { host, reason } of CASES) {
      const ofHost = counts.get(host) ?? new Map<string, number>();
      counts.set(host, ofHost.set(reason, (ofHost.get(reason) ?? 0) + 1));
    }
    const expected = Object.fromEntries([...counts].map(([host, reasons]) => [host, Object.fromEntries(reasons)]));
    const segments = await readLedger(world);
    assert.deepEqual(segments.findLast(({ holds }) => holds !== null)?.holds, expected);
  });

  test("`status --holds` names each object on a line of its own, harmless to a terminal", async () => {
    const { exit, stdout } = await world.run("mover", ["status", "--holds"]);
    assert.equal(exit, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, CASES.length + 1);
    assert.match(lines[0] ?? "", /^HOST +REASON +OBJECT@VERSION$/);
    assert.ok(!/\p{Cc}/u.test(stdout.replaceAll("\n", "")), "no control character but the ends of lines");
  });

  test("each that cost a request to refuse is logged once, with its remedy where there is one", () => {
    const logged = eventsOf(ran.stderr, "object-held");
    const costly = CASES.filter(({ reason }) => reason !== "host-unknown" && reason !== "form-invalid");
    assert.equal(logged.length, costly.length);
    assert.ok(
      logged.every(
        ({ code, key, host }) => typeof code === "string" && typeof key === "string" && typeof host === "string",
      ),
    );
  });
});

let heldStatus: Promise<Ran> | null = null;

/** Asked once for all cases. */
function heldOf(world: World): Promise<Ran> {
  return (heldStatus ??= world.run("mover", ["--json", "status"]));
}

test("of several statements beside an object the one that verifies counts; the forged ones are believed in nothing", async () => {
  await using world = await startWorld({ hosts: ["web1", "web2"] });
  const key = newKey("web1");
  const right = sign(world, "web1", stateOf("web1", key, BYTES));
  const forged = sign(world, "web2", stateOf("web1", key, BYTES, { size: 1 }));
  await putBeside(world, key, BYTES, [forged, "junk", right, forged]);
  const ran = await world.run("mover", ["run", "--once"]);
  assert.equal(ran.exit, 0, ran.stderr);
  const [entry, ...others] = (await readLedger(world)).flatMap(({ entries }) => entries);
  assert.equal(others.length, 0);
  assert.deepEqual([entry?.statement, entry?.signature], [right.statement, right.signature]);
  assert.equal(entry?.exposureFrom, "statement");
  const left = await world.listDropZone();
  assert.deepEqual(
    new Set(left.map((version) => version.key)),
    new Set([key + STATEMENT_SUFFIX]),
    "only forged statements",
  );
  assert.equal(left.length, 3);
});

test("what somebody took away while the mover was not there is no longer held: the next start's ledger says so", async () => {
  await using held = await startWorld();
  await put(held, newKey("web1"), BYTES);
  await runMoverHere(held);
  assert.deepEqual((await readLedger(held)).at(-1)?.holds, { web1: { "statement-missing": 1 } });
  for (const { key, versionId } of await held.listDropZone()) {
    await held.dropZoneOwner.send(
      new DeleteObjectCommand({ Bucket: DROP_ZONE, Key: key, VersionId: versionId ?? undefined }),
    );
  }
  await runMoverHere(held);
  assert.deepEqual((await readLedger(held)).at(-1)?.holds, {});
});
