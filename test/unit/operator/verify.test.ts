import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "../../../operator/findings.ts";
import { verify, type VerifySummary } from "../../../operator/verify.ts";
import { generateSigningKey } from "../../../shared/keys.ts";
import { segmentName, type NewEntry } from "../../../shared/ledger.ts";
import { vaultNameOf } from "../../../shared/names.ts";
import { realTiming } from "../../../shared/retry.ts";
import {
  createHost,
  createLedger,
  createMemoryVault,
  createSmallVault,
  foreignObject,
  HOUR_MS,
  keysOf,
  NO_LOCKS,
  sha256,
  START,
  type FixtureObject,
  type Host,
  type SmallVault,
} from "./fixture.ts";

type Setting = Pick<SmallVault, "vault" | "movers" | "hosts">;

async function run(setting: Setting, read = false): Promise<{ findings: Finding[]; summary: VerifySummary }> {
  const findings: Finding[] = [];
  const { summary } = await verify(
    {
      reader: { ...NO_LOCKS, ...setting.vault.reader },
      movers: setting.movers,
      hosts: setting.hosts,
      timing: { ...realTiming, now: () => START + 24 * HOUR_MS },
      signal: AbortSignal.timeout(20_000),
      report: (finding) => findings.push(finding),
      drained: async () => undefined,
      expireAfterMs: null,
      onStep: () => undefined,
    },
    { read },
  );
  return { findings, summary };
}

async function findingsOf(setting: Setting, read = false): Promise<string[]> {
  const { findings } = await run(setting, read);
  return findings.map(({ code, subject }) => `${code} ${subject}`);
}

/** One segment with these entries, their objects in the vault. */
function vaultOf(objects: readonly FixtureObject[], hosts: readonly Host[]): Setting {
  const ledger = createLedger("mover-a");
  ledger.append(objects.map(({ entry }) => entry));
  const vault = createMemoryVault();
  for (const object of objects) if (object.entry.vault !== null) vault.putObject(object);
  vault.putLedger(ledger);
  return {
    vault,
    movers: keysOf(["mover-a", ledger.key]),
    hosts: keysOf(...hosts.map((host) => [host.name, host.key] as const)),
  };
}

const nameOf = (small: SmallVault, index: number): string => small.objects[index]?.vaultName ?? "";

test("a vault as it should be has no findings, and the summary counts all of it", async () => {
  const small = createSmallVault(2);
  const { findings, summary } = await run(small, true);
  assert.deepEqual(findings, []);
  assert.equal(summary.objects, 6);
  assert.equal(summary.epochs, 2);
  assert.deepEqual(summary.read, {
    objects: 6,
    bytes: small.objects.reduce((sum, { bytes }) => sum + bytes.length, 0),
  });
  const head = small.ledger.segments[2] ?? Buffer.alloc(0);
  assert.deepEqual(summary.movers, [
    { mover: "mover-a", segments: 3, entries: 6, head: { segment: 3, digest: sha256(head) } },
  ]);
});

test("an object that is gone is found and named, with the segment that records it", async () => {
  const small = createSmallVault();
  small.vault.objects.delete(nameOf(small, 3));
  const { findings } = await run(small);
  assert.deepEqual(
    findings.map(({ code, subject, mover, segment }) => ({ code, subject, mover, segment })),
    [{ code: "object-missing", subject: nameOf(small, 3), mover: "mover-a", segment: 2 }],
  );
});

test("an object of another size is found by listing alone", async () => {
  const small = createSmallVault();
  small.vault.put(nameOf(small, 0), Buffer.from("short"));
  assert.deepEqual(await findingsOf(small), [`object-size ${nameOf(small, 0)}`]);
});

test("other bytes of the same size are found by reading, and only then", async () => {
  const small = createSmallVault();
  const bytes = Buffer.from(small.objects[0]?.bytes ?? []);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  small.vault.put(nameOf(small, 0), bytes);
  assert.deepEqual(await findingsOf(small), []);
  assert.deepEqual(await findingsOf(small, true), [`object-corrupt ${nameOf(small, 0)}`]);
});

test("an object that no ledger records is a finding, unless it is too young to be recorded", async () => {
  const small = createSmallVault();
  small.vault.put("archive/web1/planted", Buffer.from("x"));
  assert.deepEqual(await findingsOf(small), ["object-unrecorded archive/web1/planted"]);
  const young = { versionId: null, bytes: Buffer.from("x"), lastModified: new Date(START + 24 * HOUR_MS - 60_000) };
  small.vault.objects.set("archive/web1/planted", [young]);
  const { findings, summary } = await run(small);
  assert.deepEqual(findings, []);
  assert.equal(summary.inFlight, 1);
});

test("an object that is recorded while the vault is being listed is not a finding, however old its time", async () => {
  const small = createSmallVault();
  const late = small.web.next();
  small.vault.putObject(late);
  const { reader } = small.vault;
  const listPage: typeof reader.listPage = async (options) => {
    const page = await reader.listPage(options);
    if (small.ledger.segments.length === 3) {
      small.ledger.append([late.entry]);
      small.vault.putLedger(small.ledger);
    }
    return page;
  };
  const { findings, summary } = await run({ ...small, vault: { ...small.vault, reader: { ...reader, listPage } } });
  assert.deepEqual(findings, []);
  assert.equal(summary.objects, 7);
  assert.equal(summary.movers[0]?.head?.segment, 4);
});

test("a second version of a name and a delete marker are findings, for objects and for the ledger", async () => {
  const small = createSmallVault();
  const segment = segmentName("mover-a", 2);
  for (const name of [nameOf(small, 1), segment]) {
    const versions = small.vault.objects.get(name) ?? [];
    small.vault.objects.set(name, [...versions, ...versions]);
    small.vault.deleteMarkers.push({ key: name, versionId: "m", lastModified: new Date(START) });
  }
  assert.deepEqual((await findingsOf(small)).toSorted(), [
    `object-hidden ${segment}`,
    `object-hidden ${nameOf(small, 1)}`,
    `object-versions ${segment}`,
    `object-versions ${nameOf(small, 1)}`,
  ]);
});

test("a version other than the recorded one is a finding", async () => {
  const web = createHost("web1");
  const object = web.next();
  const setting = vaultOf(
    [{ ...object, entry: { ...object.entry, vault: { name: object.vaultName, versionId: "first" } } }],
    [web],
  );
  const version = { bytes: object.bytes, lastModified: new Date(START) };
  setting.vault.objects.set(object.vaultName, [{ ...version, versionId: "first" }]);
  assert.deepEqual(await findingsOf(setting), []);
  setting.vault.objects.set(object.vaultName, [{ ...version, versionId: "second" }]);
  assert.deepEqual(await findingsOf(setting), [`object-replaced ${object.vaultName}`]);
});

test("a name that is not the source's own is a finding; a later attempt's name is the source's own", async () => {
  const web = createHost("web1");
  const [first, second] = [web.next(), web.next()];
  const source = first.entry.source;
  assert.ok(source);
  const attempt = vaultNameOf({ ...source, lastModified: new Date(source.lastModified) }, 2);
  const renamed = {
    ...first,
    vaultName: attempt,
    entry: { ...first.entry, vault: { name: attempt, versionId: null } },
  };
  assert.deepEqual(await findingsOf(vaultOf([renamed, second], [web])), []);
  const swapped = {
    ...second,
    vaultName: `${second.vaultName}x`,
    entry: { ...second.entry, vault: { name: `${second.vaultName}x`, versionId: null } },
  };
  assert.deepEqual(await findingsOf(vaultOf([first, swapped], [web])), [`name-mismatch ${second.vaultName}x`]);
});

test("what a mover forges in a host's name is found with the operator's own keys", async () => {
  const web = createHost("web1");
  const forged = web.next({ key: generateSigningKey() });
  const unsigned = web.next();
  const stripped: NewEntry = { ...unsigned.entry, statement: null, signature: null, hostKey: null };
  const other = web.next();
  const swapped: NewEntry = { ...other.entry, sha256: sha256(Buffer.from("other")) };
  const stranger = createHost("db1").next();
  const setting = vaultOf([forged, { ...unsigned, entry: stripped }, { ...other, entry: swapped }, stranger], [web]);
  assert.deepEqual(
    (await findingsOf(setting)).filter((line) => !line.startsWith("sequence")),
    [
      `signature-invalid ${forged.vaultName}`,
      `statement-missing ${unsigned.vaultName}`,
      `digest-mismatch ${other.vaultName}`,
      `host-unknown ${stranger.vaultName}`,
    ],
  );
});

test("a statement that speaks of another object is found", async () => {
  const web = createHost("web1");
  const cases = [
    web.next({ forge: (statement) => ({ ...statement, bucket: "another" }) }),
    web.next({ forge: (statement) => ({ ...statement, key: `${statement.key}x` }) }),
    web.next({ forge: (statement) => ({ ...statement, size: statement.size + 1 }) }),
  ];
  const codes = (await run(vaultOf(cases, [web]))).findings.map(({ code }) => code);
  assert.deepEqual(
    codes.filter((code) => !code.startsWith("sequence")),
    ["statement-invalid", "statement-invalid", "size-mismatch"],
  );
});

test("a key counts only in its time", async () => {
  const web = createHost("web1");
  const object = web.next();
  const setting = vaultOf([object], [web]);
  const until = (time: number): Setting => ({
    ...setting,
    hosts: new Map([["web1", [{ ...web.key.public, until: new Date(time) }]]]),
  });
  const storedAt = Date.parse(object.entry.source?.lastModified ?? "");
  assert.deepEqual(await findingsOf(until(storedAt + 1)), []);
  assert.deepEqual(await findingsOf(until(storedAt)), [`signature-invalid ${object.vaultName}`]);
});

test("a foreign object is no finding, and is counted as unsigned", async () => {
  const web = createHost("web1");
  const { findings, summary } = await run(
    vaultOf([web.next(), foreignObject("web1/logs/access.log", Buffer.from("x"))], [web]),
  );
  assert.deepEqual(findings, []);
  assert.equal(summary.unsigned, 1);
});

test("a hole in a host's sequence is found, and filled by a statement whose object never came", async () => {
  const web = createHost("web1");
  const [first, lost, third] = [web.next(), web.next(), web.next()];
  assert.deepEqual(await findingsOf(vaultOf([first, third], [web])), ["sequence-hole web1"]);
  const missing: FixtureObject = {
    ...lost,
    entry: {
      ...lost.entry,
      vault: null,
      source: null,
      sha256: null,
      disposition: "finding",
      findings: [{ code: "object-missing" }],
    },
  };
  const { findings, summary } = await run(vaultOf([first, missing, third], [web]));
  assert.deepEqual(findings, []);
  assert.deepEqual(summary.recordedFindings, new Map([["object-missing", 1]]));
});

test("two statements with one number, and one that does not follow, are forks", async () => {
  const web = createHost("web1");
  const objects = [
    web.next(),
    web.next({ forge: (statement) => ({ ...statement, seq: 1, prev: null }) }),
    web.next({ forge: (statement) => ({ ...statement, prev: "0".repeat(64) }), skip: false }),
  ];
  const { findings } = await run(vaultOf(objects, [web]));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["sequence-fork", "sequence-hole"],
  );
  const follows = [web.next(), web.next({ forge: (statement) => ({ ...statement, prev: "0".repeat(64) }) })];
  const second = await run(vaultOf(follows, [web]));
  assert.ok(
    second.findings.some(({ code, message }) => code === "sequence-fork" && message.includes("does not follow")),
  );
});

test("the same statement recorded twice, and the same object again, are no findings", async () => {
  const web = createHost("web1");
  const object = web.next();
  const again: FixtureObject = { ...object, entry: { ...object.entry, disposition: "already-archived" } };
  const duplicate: FixtureObject = { ...object, entry: { ...object.entry, vault: null, disposition: "duplicate" } };
  const { findings, summary } = await run(vaultOf([object, again, duplicate], [web]));
  assert.deepEqual(findings, []);
  assert.equal(summary.objects, 1);
});

test("one name with two digests in the ledger is a conflict", async () => {
  const web = createHost("web1");
  const object = foreignObject("web1/logs/x", Buffer.from("one"));
  const again: FixtureObject = { ...object, entry: { ...object.entry, sha256: sha256(Buffer.from("two")) } };
  assert.deepEqual(await findingsOf(vaultOf([object, again], [web])), [`entry-conflict ${object.vaultName}`]);
});

test("an unknown mover and a silent one are findings", async () => {
  const small = createSmallVault();
  const stranger = createLedger("mover-x");
  stranger.append([]);
  small.vault.putLedger(stranger);
  const movers = new Map([...small.movers, ["mover-b", [generateSigningKey().public]]]);
  assert.deepEqual((await findingsOf({ ...small, movers })).toSorted(), [
    "mover-silent _airlock/ledger/mover-b/",
    "mover-unknown _airlock/ledger/mover-x/",
  ]);
});

test("something else below the ledger's prefix is a finding", async () => {
  const small = createSmallVault();
  small.vault.put("_airlock/checkpoint/mover-a/notes.txt", Buffer.from("x"));
  assert.deepEqual(await findingsOf(small), ["object-unrecorded _airlock/checkpoint/mover-a/notes.txt"]);
});
