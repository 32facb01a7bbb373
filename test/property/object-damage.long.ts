/** Each kind of damage to what the vault holds, to any objects at once: each is found and named, and nothing else is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Finding, FindingCode } from "../../operator/findings.ts";
import { verify, type Verified, type VerifyRequest } from "../../operator/verify.ts";
import { AirlockError } from "../../shared/errors.ts";
import { realTiming } from "../../shared/retry.ts";
import type { LockReader, ObjectLock } from "../../shared/stores.ts";
import {
  createHost,
  createLedger,
  createMemoryVault,
  HOUR_MS,
  keysOf,
  START,
  type FixtureLedger,
  type FixtureObject,
  type MemoryVault,
} from "../unit/operator/fixture.ts";

const DAY_MS = 24 * HOUR_MS;
const KEPT_DAYS = 30;
const NOW = START + 20 * DAY_MS;
/** Recorded so long ago that they may be gone, and those that may not. */
const [OLD, YOUNG] = [6, 14];

interface Setting {
  readonly vault: MemoryVault;
  readonly objects: readonly FixtureObject[];
  readonly locks: Map<string, ObjectLock | "none">;
  readonly unreadable: Set<string>;
  readonly hosts: Parameters<typeof verify>[0]["hosts"];
  readonly movers: Parameters<typeof verify>[0]["movers"];
}

const web = createHost("web1");
const ledger: FixtureLedger = createLedger("mover-a");
const objects = Array.from({ length: OLD + YOUNG }, (_, number) => {
  const at = number < OLD ? START - 40 * DAY_MS + number * HOUR_MS : START + number * HOUR_MS;
  const made = web.next({ at, bytes: Buffer.from(`object ${number}, of its own size: ${"x".repeat(number)}`) });
  return { ...made, entry: { ...made.entry, vault: { name: made.vaultName, versionId: `v${number}` } } };
});
for (let first = 0; first < objects.length; first += 3)
  ledger.append(objects.slice(first, first + 3).map(({ entry }) => entry));

function makeSetting(): Setting {
  const vault = createMemoryVault();
  const locks = new Map<string, ObjectLock | "none">();
  for (const { vaultName, bytes, entry } of objects) {
    const lastModified = new Date(entry.at);
    vault.objects.set(vaultName, [{ versionId: entry.vault.versionId, bytes, lastModified }]);
    locks.set(vaultName, { mode: "COMPLIANCE", until: new Date(lastModified.getTime() + KEPT_DAYS * DAY_MS) });
  }
  vault.putLedger(ledger);
  const unreadable = new Set<string>();
  return {
    vault,
    objects,
    locks,
    unreadable,
    hosts: keysOf(["web1", web.key]),
    movers: keysOf(["mover-a", ledger.key]),
  };
}

async function run(
  { vault, locks, unreadable, hosts, movers }: Setting,
  request: VerifyRequest,
  retention: Awaited<ReturnType<LockReader["readDefaultRetention"]>> = { mode: "COMPLIANCE", days: KEPT_DAYS },
): Promise<{ findings: string[]; verified: Verified; lockReads: number }> {
  const findings: Finding[] = [];
  let lockReads = 0;
  const reader: Parameters<typeof verify>[0]["reader"] = {
    ...vault.reader,
    openObject: (name, ...rest) => {
      if (unreadable.has(name)) throw new AirlockError("object-unreadable", "it is archived", { subject: name });
      return vault.reader.openObject(name, ...rest);
    },
    readDefaultRetention: async () => retention,
    readLock: async (name) => {
      lockReads += 1;
      return locks.get(name) ?? { mode: "COMPLIANCE", until: new Date(NOW + KEPT_DAYS * DAY_MS) };
    },
  };
  const verified = await verify(
    {
      reader,
      movers,
      hosts,
      expireAfterMs: null,
      timing: { ...realTiming, now: () => NOW },
      signal: AbortSignal.timeout(20_000),
      report: (finding) => findings.push(finding),
      drained: async () => undefined,
      onStep: () => undefined,
    },
    request,
  );
  return { findings: findings.map(({ code, subject }) => `${code} ${subject}`).toSorted(), verified, lockReads };
}

type Damage = (setting: Setting, name: string, at: number) => FindingCode | null;

/** What is read is found to be short as well. */
const codesOf = (code: FindingCode | null): FindingCode[] => {
  if (code === null) return [];
  return code === "object-size" ? ["object-corrupt", code] : [code];
};

const versionsOf = ({ vault }: Setting, name: string) => vault.objects.get(name) ?? [];
const lockedUntil = (setting: Setting, name: string, lock: ObjectLock | "none"): void =>
  void setting.locks.set(name, lock);

/** What is done to an object, and what of it is found. */
const DAMAGES: Readonly<Record<string, Damage>> = {
  untouched: () => null,
  removed: ({ vault }, name) => {
    vault.objects.delete(name);
    return "object-missing";
  },
  "cut off": (setting, name) => {
    const [version] = versionsOf(setting, name);
    assert.ok(version);
    setting.vault.objects.set(name, [{ ...version, bytes: version.bytes.subarray(1) }]);
    return "object-size";
  },
  "altered within its size": (setting, name) => {
    const [version] = versionsOf(setting, name);
    assert.ok(version);
    const bytes = Buffer.from(version.bytes);
    bytes[3] = (bytes[3] ?? 0) ^ 4;
    setting.vault.objects.set(name, [{ ...version, bytes }]);
    return "object-corrupt";
  },
  "put again in its place": (setting, name) => {
    const [version] = versionsOf(setting, name);
    assert.ok(version);
    setting.vault.objects.set(name, [{ ...version, versionId: "another" }]);
    return "object-replaced";
  },
  "put again above it": (setting, name) => {
    const [version] = versionsOf(setting, name);
    assert.ok(version);
    setting.vault.objects.set(name, [version, { ...version, versionId: "below" }]);
    return "object-versions";
  },
  "hidden while it is young": ({ vault }, name, at) => {
    vault.deleteMarkers.push({ key: name, versionId: "m", lastModified: new Date(at + DAY_MS) });
    return "object-hidden";
  },
  "moved to an archive class": ({ unreadable }, name) => {
    unreadable.add(name);
    return "object-unreadable";
  },
};

const LOCK_DAMAGES: Readonly<Record<string, Damage>> = {
  "never locked": (setting, name) => {
    lockedUntil(setting, name, "none");
    return "lock-missing";
  },
  "its lock is over": (setting, name, at) => {
    lockedUntil(setting, name, { mode: "GOVERNANCE", until: new Date(at + DAY_MS / 2) });
    return "lock-missing";
  },
  "its lock is too short": (setting, name) => {
    lockedUntil(setting, name, { mode: "COMPLIANCE", until: new Date(NOW + HOUR_MS) });
    return "lock-short";
  },
  "its lock is weaker": (setting, name, at) => {
    lockedUntil(setting, name, { mode: "GOVERNANCE", until: new Date(at + KEPT_DAYS * DAY_MS) });
    return "lock-short";
  },
};

/** Of objects that are old enough to be gone. */
const EXPIRIES: Readonly<Record<string, Damage>> = {
  untouched: () => null,
  expired: ({ vault }, name) => {
    vault.objects.delete(name);
    return null;
  },
  "expired, its marker left": ({ vault }, name, at) => {
    vault.objects.delete(name);
    vault.deleteMarkers.push({ key: name, versionId: "m", lastModified: new Date(at + KEPT_DAYS * DAY_MS) });
    return null;
  },
  "marked by a lifecycle rule, and below it still": ({ vault }, name, at) => {
    vault.deleteMarkers.push({ key: name, versionId: "m", lastModified: new Date(at + (KEPT_DAYS + 1) * DAY_MS) });
    return null;
  },
  "hidden before its time": ({ vault }, name, at) => {
    vault.deleteMarkers.push({ key: name, versionId: "m", lastModified: new Date(at + (KEPT_DAYS - 1) * DAY_MS) });
    return "object-hidden";
  },
  "without a lock, which it need not have": (setting, name) => {
    lockedUntil(setting, name, "none");
    return null;
  },
};

const anyOf = (damages: Readonly<Record<string, Damage>>, length: number): fc.Arbitrary<string[]> =>
  fc.array(fc.constantFrom(...Object.keys(damages)), { minLength: length, maxLength: length });

test("any objects, each damaged in a way of its own: each is found and named, what has expired is not, nor what is whole", async () => {
  const young = { ...DAMAGES, ...LOCK_DAMAGES };
  await fc.assert(
    fc.asyncProperty(anyOf(EXPIRIES, OLD), anyOf(young, YOUNG - 1), fc.nat(2), async (ofOld, ofYoung, planted) => {
      const setting = makeSetting();
      const expected: string[] = [];
      for (const [number, kind] of [...ofOld, ...ofYoung].entries()) {
        const object = objects[number];
        const code = (number < OLD ? EXPIRIES : young)[kind]?.(
          setting,
          object?.vaultName ?? "",
          Date.parse(object?.entry.at ?? ""),
        );
        expected.push(...codesOf(code ?? null).map((each) => `${each} ${object?.vaultName}`));
      }
      for (let number = 0; number < planted; number++) {
        setting.vault.put(`archive/web1/planted-${number}`, Buffer.from("x"));
        expected.push(`object-unrecorded archive/web1/planted-${number}`);
      }
      const { findings, verified } = await run(setting, { read: true, locks: true });
      assert.deepEqual(findings, expected.toSorted());
      const gone = ofOld.filter((kind) => kind.startsWith("expired")).length;
      assert.equal(verified.summary.expired.objects, gone);
    }),
    { numRuns: 40 },
  );
});

for (const [kind, damage] of Object.entries({ ...DAMAGES, ...LOCK_DAMAGES })) {
  test(`damage to one object is found and named: ${kind}`, async () => {
    for (const number of [OLD, OLD + 3, OLD + YOUNG - 1]) {
      const setting = makeSetting();
      const { vaultName, entry } = objects[number] ?? assert.fail();
      const code = damage(setting, vaultName, Date.parse(entry.at));
      const { findings } = await run(setting, { read: true, locks: true });
      assert.deepEqual(
        findings,
        codesOf(code).map((each) => `${each} ${vaultName}`),
      );
    }
  });
}

test("where the bucket locks nothing, nothing expires: whatever is gone is missing", async () => {
  const setting = makeSetting();
  for (const { vaultName } of objects.slice(0, 3)) setting.vault.objects.delete(vaultName);
  for (const retention of ["none", "unknown"] as const) {
    const { findings, lockReads } = await run(setting, { locks: true }, retention);
    assert.deepEqual(
      findings,
      objects
        .slice(0, 3)
        .map(({ vaultName }) => `object-missing ${vaultName}`)
        .toSorted(),
    );
    assert.equal(lockReads, 0);
  }
});

test("where nothing at all has a lock of its own, that is one finding", async () => {
  const setting = makeSetting();
  for (const name of setting.vault.objects.keys()) setting.locks.set(name, "none");
  for (const locks of [true, false]) {
    assert.deepEqual((await run(setting, { locks })).findings, ["lock-missing archive/"]);
  }
});

test("without --locks a sample of a hundred is looked at, and each object has its chance", async () => {
  const many = createLedger("mover-a");
  const host = createHost("web1");
  const vault = createMemoryVault();
  const made = Array.from({ length: 400 }, (_, number) => host.next({ at: START + number * 1000 }));
  for (const object of made) vault.putObject(object);
  many.append(made.map(({ entry }) => entry));
  vault.putLedger(many);
  const unlocked = made.at(-1)?.vaultName ?? "";
  let found = 0;
  for (let time = 0; time < 40; time++) {
    const { findings, lockReads } = await run(
      {
        vault,
        objects: made,
        locks: new Map([[unlocked, "none"]]),
        unreadable: new Set(),
        hosts: keysOf(["web1", host.key]),
        movers: keysOf(["mover-a", many.key]),
      },
      {},
    );
    assert.equal(lockReads, 100);
    found += findings.length;
  }
  // a quarter of the runs; that none or all of 40 have it is less likely than 1 in 90,000
  assert.ok(found > 0 && found < 40, `${found} of 40`);
});
