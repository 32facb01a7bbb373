/** Each kind of damage to a ledger, anywhere in it: `verify` finds it and names it, and the segment where it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import canonicalize from "canonicalize";
import fc from "fast-check";
import type { Checkpoint } from "../../operator/checkpoint.ts";
import type { Finding, FindingCode } from "../../operator/findings.ts";
import { verify, type Verified } from "../../operator/verify.ts";
import { generateSigningKey, signBytes, type PublicKey, type SigningKey } from "../../shared/keys.ts";
import { checkpointName, parseSegment, segmentDigest, segmentName, type NewEntry } from "../../shared/ledger.ts";
import { realTiming } from "../../shared/retry.ts";
import {
  createHost,
  createLedger,
  createMemoryVault,
  HOUR_MS,
  keysOf,
  NO_LOCKS,
  START,
  type FixtureLedger,
  type MemoryVault,
} from "../unit/operator/fixture.ts";

const SEGMENTS = 9;
const PER_SEGMENT = 2;
const web = createHost("web1");
const stranger = generateSigningKey();
const objects = Array.from({ length: SEGMENTS * PER_SEGMENT }, () => web.next());
const entriesOf = (segment: number): NewEntry[] =>
  objects.slice((segment - 1) * PER_SEGMENT, segment * PER_SEGMENT).map(({ entry }) => entry);

function makeLedger(segments: number, key?: SigningKey): FixtureLedger {
  const ledger = createLedger("mover-a", key);
  for (let segment = 1; segment <= segments; segment++) ledger.append(entriesOf(segment));
  return ledger;
}

const ledger = makeLedger(SEGMENTS);
const bytesOf = (segment: number): Buffer => ledger.segments[segment - 1] ?? Buffer.alloc(0);

function makeVault(): MemoryVault {
  const vault = createMemoryVault();
  for (const object of objects) vault.putObject(object);
  vault.putLedger(ledger);
  return vault;
}

interface Options {
  readonly since?: readonly Checkpoint[];
  readonly movers?: ReadonlyMap<string, readonly PublicKey[]>;
}

async function run(vault: MemoryVault, options: Options = {}): Promise<{ findings: Finding[]; verified: Verified }> {
  const findings: Finding[] = [];
  const verified = await verify(
    {
      reader: { ...NO_LOCKS, ...vault.reader },
      movers: options.movers ?? keysOf(["mover-a", ledger.key]),
      hosts: keysOf(["web1", web.key]),
      expireAfterMs: null,
      timing: { ...realTiming, now: () => START + 1000 * HOUR_MS },
      signal: AbortSignal.timeout(20_000),
      report: (finding) => findings.push(finding),
      drained: async () => undefined,
      onStep: () => undefined,
    },
    { since: options.since ?? [] },
  );
  return { findings, verified };
}

/** Of what was found, what is about the ledger itself. */
const LEDGER: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "segment-missing",
  "segment-damaged",
  "segment-unsigned",
  "chain-broken",
  "ledger-rolled-back",
  "ledger-rewritten",
  "mover-unknown",
  "mover-silent",
  "checkpoint-invalid",
]);

async function ledgerFindings(vault: MemoryVault, options?: Options): Promise<string[]> {
  const { findings } = await run(vault, options);
  return findings.filter(({ code }) => LEDGER.has(code)).map(({ code, segment }) => `${code} ${segment}`);
}

const linesOf = (bytes: Buffer): string[] => bytes.toString("latin1").split(/(?<=\n)/);

/** Signs the lines above the last one anew. */
function seal(lines: readonly string[], key: SigningKey): Buffer {
  const body = Buffer.from(lines.slice(0, -1).join(""), "latin1");
  const signature = signBytes(key, body).toString("base64");
  return Buffer.concat([body, Buffer.from(`${JSON.stringify({ signature, key: key.public.id })}\n`)]);
}

/** The segment with other contents, each form by itself faultless. */
const altered = (segment: number, key: SigningKey): Buffer =>
  seal(
    linesOf(bytesOf(segment)).map((line) => line.replace('"exposureMs":812', '"exposureMs":1')),
    key,
  );

/** All from this segment on written anew by the mover itself, each following the one before. */
function rewrittenFrom(first: number): FixtureLedger {
  const other = createLedger("mover-a", ledger.key);
  for (let segment = 1; segment <= SEGMENTS; segment++) {
    const entries = entriesOf(segment);
    other.append(segment < first ? entries : entries.map((entry) => ({ ...entry, exposureMs: 1 })));
  }
  return other;
}

async function checkpointOf(vault: MemoryVault): Promise<Checkpoint> {
  const { verified } = await run(vault);
  const movers = verified.marks;
  assert.ok(movers !== null);
  return { bucket: vault.reader.bucket, takenAt: new Date(START), movers };
}

function moverCheckpoint(segment: number, key: SigningKey, over: object = {}): Buffer {
  const { entries } = parseSegment(bytesOf(segment), "mover-a", segment);
  const inner = {
    v: 1,
    mover: "mover-a",
    segment,
    digest: segmentDigest(bytesOf(segment)),
    index: entries.at(-1)?.index ?? 0,
    writtenAt: new Date(START).toISOString(),
    books: { quota: {}, chain: [], freshness: [], anomalies: [], holds: {} },
    ...over,
  };
  const signature = signBytes(key, Buffer.from(canonicalize(inner) ?? "")).toString("base64");
  return Buffer.from(`${JSON.stringify({ checkpoint: inner, key: key.public.id, signature })}\n`);
}

const anySegment = fc.integer({ min: 1, max: SEGMENTS });
const innerSegment = fc.integer({ min: 1, max: SEGMENTS - 1 });

interface Damage {
  readonly kind: string;
  readonly segment: fc.Arbitrary<number>;
  readonly damage: (vault: MemoryVault, segment: number, random: number) => void;
  /** What is found first. */
  readonly finds: (segment: number) => RegExp;
}

const put = (vault: MemoryVault, segment: number, bytes: Buffer): void =>
  vault.put(segmentName("mover-a", segment), bytes);

const KINDS: readonly Damage[] = [
  {
    kind: "one bit is flipped",
    segment: anySegment,
    damage: (vault, segment, random) => {
      const bytes = Buffer.from(bytesOf(segment));
      const at = random % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (random % 8));
      put(vault, segment, bytes);
    },
    // in a digest of the header it is the chain that does not fit, in an entry the signature
    finds: (segment) => new RegExp(`^(segment-damaged|segment-unsigned|chain-broken) ${segment}$`),
  },
  {
    kind: "its end is cut off",
    segment: anySegment,
    damage: (vault, segment, random) =>
      put(vault, segment, bytesOf(segment).subarray(0, random % bytesOf(segment).length)),
    finds: (segment) => new RegExp(`^segment-damaged ${segment}$`),
  },
  {
    kind: "it is emptied",
    segment: anySegment,
    damage: (vault, segment) => put(vault, segment, Buffer.alloc(0)),
    finds: (segment) => new RegExp(`^segment-damaged ${segment}$`),
  },
  {
    kind: "bytes are added",
    segment: anySegment,
    damage: (vault, segment, random) =>
      put(vault, segment, Buffer.concat([bytesOf(segment), Buffer.from(`${random}\n`)])),
    finds: (segment) => new RegExp(`^segment-damaged ${segment}$`),
  },
  {
    kind: "a segment is removed",
    segment: innerSegment,
    damage: (vault, segment) => vault.objects.delete(segmentName("mover-a", segment)),
    finds: (segment) => new RegExp(`^segment-missing ${segment}$`),
  },
  {
    kind: "several are removed",
    segment: fc.integer({ min: 1, max: SEGMENTS - 3 }),
    damage: (vault, segment, random) => {
      for (let number = segment; number <= segment + 1 + (random % 2); number++)
        vault.objects.delete(segmentName("mover-a", number));
    },
    finds: (segment) => new RegExp(`^segment-missing ${segment}$`),
  },
  {
    kind: "two change places",
    segment: innerSegment,
    damage: (vault, segment) => {
      put(vault, segment, bytesOf(segment + 1));
      put(vault, segment + 1, bytesOf(segment));
    },
    finds: (segment) => new RegExp(`^segment-damaged ${segment}$`),
  },
  {
    kind: "an old one is put in the place of another",
    segment: fc.integer({ min: 2, max: SEGMENTS }),
    damage: (vault, segment, random) => put(vault, segment, bytesOf(1 + (random % (segment - 1)))),
    finds: (segment) => new RegExp(`^segment-damaged ${segment}$`),
  },
  {
    kind: "an old one is added at the end",
    segment: anySegment,
    damage: (vault, segment) => put(vault, SEGMENTS + 1, bytesOf(segment)),
    finds: () => new RegExp(`^segment-damaged ${SEGMENTS + 1}$`),
  },
  {
    kind: "a stranger signs it again as it is",
    segment: anySegment,
    damage: (vault, segment) => put(vault, segment, seal(linesOf(bytesOf(segment)), stranger)),
    finds: (segment) => new RegExp(`^segment-unsigned ${segment}$`),
  },
  {
    kind: "a stranger rewrites it and claims the mover's key",
    segment: anySegment,
    damage: (vault, segment) => {
      const lines = linesOf(altered(segment, stranger));
      const last = lines.pop() ?? "";
      put(vault, segment, Buffer.from([...lines, last.replace(stranger.public.id, ledger.key.public.id)].join("")));
    },
    finds: (segment) => new RegExp(`^segment-unsigned ${segment}$`),
  },
  {
    kind: "the mover's key rewrites it",
    segment: innerSegment,
    damage: (vault, segment) => put(vault, segment, altered(segment, ledger.key)),
    finds: (segment) => new RegExp(`^chain-broken ${segment + 1}$`),
  },
  {
    kind: "the mover's key takes an entry out of it",
    segment: innerSegment,
    damage: (vault, segment, random) => {
      const lines = linesOf(bytesOf(segment));
      lines.splice(1 + (random % PER_SEGMENT), 1);
      put(vault, segment, seal(lines, ledger.key));
    },
    // without its first entry it does not follow the one before; without its last, the next does not follow it
    finds: (segment) => new RegExp(`^chain-broken (${segment}|${segment + 1})$`),
  },
  {
    kind: "the mover's key joins it to another place",
    segment: fc.integer({ min: 2, max: SEGMENTS }),
    damage: (vault, segment, random) => {
      const [header = "", ...lines] = linesOf(bytesOf(segment));
      const prev = random.toString(16).padStart(64, "0");
      put(vault, segment, seal([header.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`), ...lines], ledger.key));
    },
    finds: (segment) => new RegExp(`^chain-broken ${segment}$`),
  },
  {
    kind: "another ledger is laid under its first segments",
    segment: innerSegment,
    damage: (vault, segment) => {
      const other = rewrittenFrom(1);
      for (let number = 1; number <= segment; number++)
        put(vault, number, other.segments[number - 1] ?? Buffer.alloc(0));
    },
    finds: (segment) => new RegExp(`^chain-broken ${segment + 1}$`),
  },
  {
    kind: "all of it is gone",
    segment: anySegment,
    damage: (vault) => {
      for (let segment = 1; segment <= SEGMENTS; segment++) vault.objects.delete(segmentName("mover-a", segment));
    },
    finds: () => /^mover-silent null$/,
  },
  {
    kind: "a mover appears that nobody listed",
    segment: anySegment,
    damage: (vault) => {
      const other = createLedger("mover-x");
      other.append([]);
      vault.putLedger(other);
    },
    finds: () => /^mover-unknown null$/,
  },
  {
    kind: "its end is cut off, behind which a mover's checkpoint remains",
    segment: fc.integer({ min: 2, max: SEGMENTS }),
    damage: (vault, segment) => {
      vault.put(checkpointName("mover-a", segment), moverCheckpoint(segment, ledger.key));
      for (let number = segment; number <= SEGMENTS; number++) vault.objects.delete(segmentName("mover-a", number));
    },
    finds: (segment) => new RegExp(`^ledger-rolled-back ${segment}$`),
  },
  {
    kind: "all from here on is written anew, and a mover's checkpoint remains",
    segment: anySegment,
    damage: (vault, segment) => {
      vault.put(checkpointName("mover-a", SEGMENTS), moverCheckpoint(SEGMENTS, ledger.key));
      vault.putLedger(rewrittenFrom(segment));
    },
    finds: () => new RegExp(`^ledger-rewritten ${SEGMENTS}$`),
  },
  {
    kind: "a mover's checkpoint is a stranger's",
    segment: anySegment,
    damage: (vault, segment) => vault.put(checkpointName("mover-a", segment), moverCheckpoint(segment, stranger)),
    finds: (segment) => new RegExp(`^checkpoint-invalid ${segment}$`),
  },
  {
    kind: "a mover's checkpoint is another segment's, or junk",
    segment: innerSegment,
    damage: (vault, segment, random) => {
      const bytes = random % 2 === 0 ? moverCheckpoint(segment + 1, ledger.key) : Buffer.from("{}");
      vault.put(checkpointName("mover-a", segment), bytes);
    },
    finds: (segment) => new RegExp(`^checkpoint-invalid ${segment}$`),
  },
];

test("an undamaged ledger, with a checkpoint of its mover's, has no findings", async () => {
  const vault = makeVault();
  vault.put(checkpointName("mover-a", 4), moverCheckpoint(4, ledger.key));
  const { findings } = await run(vault, { since: [await checkpointOf(vault)] });
  assert.deepEqual(findings, []);
});

for (const { kind, segment, damage, finds } of KINDS) {
  test(`damage is found and named: ${kind}`, async () => {
    await fc.assert(
      fc.asyncProperty(segment, fc.nat(), async (number, random) => {
        const vault = makeVault();
        damage(vault, number, random);
        const [first, ...others] = await ledgerFindings(vault);
        assert.match(first ?? "nothing", finds(number), `then ${others.join(", ")}`);
      }),
      { numRuns: 12 },
    );
  });
}

test("what was signed with a key whose time had passed is found", async () => {
  const { public: key } = ledger.key;
  await fc.assert(
    fc.asyncProperty(anySegment, async (number) => {
      // segment n was written at hour 2 n
      const until = new Date(START + number * PER_SEGMENT * HOUR_MS);
      const found = await ledgerFindings(makeVault(), { movers: new Map([["mover-a", [{ ...key, until }]]]) });
      const expected = Array.from({ length: SEGMENTS - number + 1 }, (_, at) => `segment-unsigned ${number + at}`);
      assert.deepEqual(found, expected);
    }),
    { numRuns: 20 },
  );
});

test("an end that was cut off shows in nothing but a checkpoint kept elsewhere, which names the first segment that is gone", async () => {
  const since = [await checkpointOf(makeVault())];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: SEGMENTS }), async (number) => {
      const vault = makeVault();
      for (let segment = number; segment <= SEGMENTS; segment++) vault.objects.delete(segmentName("mover-a", segment));
      assert.deepEqual(await ledgerFindings(vault), [], "by itself it is a faultless, shorter ledger");
      const { findings, verified } = await run(vault, { since });
      const told = findings.filter(({ code }) => LEDGER.has(code));
      assert.deepEqual(
        told.map(({ code, segment, subject }) => [code, segment, subject]),
        [["ledger-rolled-back", number, segmentName("mover-a", number)]],
      );
      assert.equal(verified.marks, null, "no checkpoint is made of it");
    }),
    { numRuns: 20 },
  );
});

test("a ledger written anew from some segment on is found by a checkpoint, between two segments that it saw", async () => {
  const since = [await checkpointOf(makeVault())];
  const seen = since[0]?.movers.get("mover-a")?.map(({ segment }) => segment) ?? [];
  assert.equal(seen.at(-1), SEGMENTS);
  await fc.assert(
    fc.asyncProperty(anySegment, fc.boolean(), async (number, goesOn) => {
      const vault = makeVault();
      const other = rewrittenFrom(number);
      const more = web.next();
      if (goesOn) {
        other.append([more.entry]);
        vault.putObject(more);
      }
      vault.putLedger(other);
      assert.deepEqual(await ledgerFindings(vault), [], "by itself it is faultless");
      const found = await ledgerFindings(vault, { since });
      const named = seen.find((segment) => segment >= number);
      assert.deepEqual(found, [`ledger-rewritten ${named}`]);
    }),
    { numRuns: 20 },
  );
});

test("a ledger that only grew since a checkpoint has no findings, and its next checkpoint goes on from there", async () => {
  const short = createMemoryVault();
  for (const object of objects) short.putObject(object);
  short.putLedger(makeLedger(3, ledger.key));
  const early = await checkpointOf(short);
  const vault = makeVault();
  const grown = makeLedger(SEGMENTS, ledger.key);
  for (let more = 0; more < 5; more++) {
    const object = web.next();
    grown.append([object.entry]);
    vault.putObject(object);
  }
  vault.putLedger(grown);
  assert.deepEqual(await ledgerFindings(vault, { since: [early] }), []);
});
