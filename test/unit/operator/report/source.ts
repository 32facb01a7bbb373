/** What a local index tells, made up in memory: months of backups of any number of hosts, the same every time. */
import type { ListedFinding, ListedHolds, ListedSet, ObjectFilter } from "../../../../operator/index-reader.ts";
import type { ListedObject } from "../../../../operator/listed-object.ts";
import type { DrillResult } from "../../../../operator/drill-result.ts";
import type { ReportSource } from "../../../../operator/report/gather.ts";

export const NOW = Date.parse("2026-11-28T11:20:00.000Z");
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface MadeObject {
  readonly host: string;
  /** null: foreign, in `folder`. */
  readonly set: string | null;
  readonly folder?: string;
  readonly atMs: number;
  readonly sizeBytes?: number;
  readonly exposureMs?: number | null;
}

export interface MadeSource {
  readonly objects: readonly MadeObject[];
  readonly findings?: readonly (Omit<ListedFinding, "mover" | "segment" | "index" | "at"> & {
    readonly atMs: number;
  })[];
  readonly holds?: readonly { readonly atMs: number; readonly mover?: string; readonly holds: ListedHolds["holds"] }[];
  readonly problems?: ReportSource["problems"];
}

export function makeSource({ objects, findings = [], holds = [], problems = [] }: MadeSource): ReportSource {
  const groups = [...new Set(objects.map(groupOf))];
  const listed = objects.map((object, index) => [groups.indexOf(groupOf(object)), listedOf(object, index)] as const);
  const chosen = (set: number | null, { since }: ObjectFilter): ListedObject[] =>
    listed.flatMap(([of, object]) =>
      (set === null || of === set) && (since === null || object.at >= since) ? [object] : [],
    );
  const everything: ObjectFilter = { selector: null, since: null, until: null };
  const writtenAt = new Date(objects.reduce((last, { atMs }) => Math.max(last, atMs), 0));
  const head = { segment: 12_345, digest: "5c1b7fe0a4".padEnd(64, "8d3e"), writtenAt };
  return {
    ledgers: [
      { mover: "mover-a", segments: 12_345, entries: objects.length, head: objects.length === 0 ? null : head },
    ],
    problems,
    sets: (filter = everything) =>
      groups.flatMap((group, id): ListedSet[] => {
        const members = chosen(id, filter);
        const [first] = members;
        if (first === undefined) return [];
        const times = members.map(({ at }) => at.getTime());
        return [
          {
            id,
            host: first.host,
            set: first.set,
            group,
            objects: members.length,
            bytes: members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
            firstAt: new Date(Math.min(...times)),
            lastAt: new Date(Math.max(...times)),
            statements: new Map([[first.set === null ? "unsigned" : "verified", members.length]]),
          },
        ];
      }),
    objects: ({ id }, filter = everything) => chosen(id, filter),
    findings: () =>
      findings.map(({ atMs, ...finding }, index) => ({
        ...finding,
        at: new Date(atMs),
        mover: "mover-a",
        segment: index + 1,
        index,
      })),
    holds: () =>
      holds.map(({ atMs, mover = "mover-a", holds: counts }, index) => ({
        at: new Date(atMs),
        mover,
        segment: index + 1,
        holds: counts,
      })),
  };
}

function groupOf({ host, set, folder = "" }: MadeObject): string {
  return `${host}/${set ?? folder}`;
}

function listedOf(
  { host, set, folder = "", atMs, sizeBytes = 1000, exposureMs = 800 }: MadeObject,
  index: number,
): ListedObject {
  const key = `${host}/${set ?? folder}/${index}`;
  return {
    host,
    set,
    group: `${host}/${set ?? folder}`,
    name: String(index),
    at: new Date(atMs),
    bucket: "acme-dropzone",
    key,
    versionId: null,
    etag: '"0"',
    lastModified: new Date(atMs),
    sizeBytes,
    sha256: "00".repeat(32),
    vaultName: `archive/${key}`,
    vaultVersionId: null,
    exposureMs,
    exposureFrom: exposureMs === null ? null : "object",
    disposition: "archived",
    mover: "mover-a",
    segment: 1,
    index: index + 1,
    statement: set === null ? "unsigned" : "verified",
    statementError: null,
    hostKey: null,
    encoding: null,
    startedAt: null,
    epoch: null,
    seq: null,
  };
}

const SETS = [
  { set: "postgres", everyMs: DAY_MS, sizeBytes: 70 * 2 ** 20 },
  { set: "etc", everyMs: DAY_MS, sizeBytes: 253 * 2 ** 10 },
  { set: "logs", everyMs: 6 * HOUR_MS, sizeBytes: 12 * 2 ** 20 },
] as const;

/** `days` of nightly and hourly backups, with a bad week, a host that went silent, and some alarms and holds. */
export function makeMonths(hosts: readonly string[], days: number): MadeSource {
  const random = createRandom();
  const objects: MadeObject[] = [];
  for (const [number, host] of hosts.entries()) {
    const silentFrom = number === 2 ? NOW - 9 * DAY_MS : Infinity;
    for (const { set, everyMs, sizeBytes } of SETS) {
      for (let atMs = NOW - days * DAY_MS + number * 60_000; atMs < NOW; atMs += everyMs) {
        const isLost = random() < 0.02;
        if (isLost || atMs > silentFrom) continue;
        const ageDays = (NOW - atMs) / DAY_MS;
        const slow = ageDays > 30 && ageDays < 34 ? 400 : 1;
        const exposureMs = Math.round(400 * slow * (1 + random()) * (random() < 0.03 ? 40 : 1));
        const growth = 1 + 0.4 * (1 - ageDays / days);
        objects.push({
          host,
          set,
          atMs: atMs + Math.floor(random() * HOUR_MS),
          exposureMs,
          sizeBytes: Math.round(sizeBytes * growth * (0.9 + random() * 0.2)),
        });
      }
    }
  }
  const last = objects.findLast(({ host }) => host === hosts[2]);
  return {
    objects: objects.filter(({ atMs }) => atMs <= NOW).toSorted((a, b) => a.atMs - b.atMs),
    findings: [
      {
        atMs: NOW - 33 * DAY_MS,
        code: "size-anomaly",
        host: hosts[0] ?? "",
        set: "postgres",
        detail: "12.0 KiB, where the last 10 had a median of 70.2 MiB",
      },
      ...(last === undefined
        ? []
        : [
            {
              atMs: last.atMs + 26 * HOUR_MS,
              code: "overdue",
              host: last.host,
              set: "postgres",
              detail: `the last backup came at ${new Date(last.atMs).toISOString()}`,
            },
          ]),
      {
        atMs: NOW - 3 * DAY_MS,
        code: "missing",
        host: hosts[0] ?? "",
        epoch: "qPF32Zg9kB-SixfkoEfl4A",
        seq: 412,
        detail: "number 412 has not come",
      },
    ],
    holds: [
      { atMs: NOW - 5 * DAY_MS, holds: { [hosts[0] ?? ""]: { "digest-mismatch": 1 }, "*": { "host-unknown": 3 } } },
    ],
  };
}

export const DRILL: DrillResult = {
  v: 1,
  startedAt: "2026-11-22T03:00:00.000Z",
  endedAt: "2026-11-22T03:01:12.000Z",
  vault: "acme-vault",
  outcome: "passed",
  error: null,
  named: null,
  setsInVault: 9,
  run: ["pg_restore", "--list", "shop.dump"],
  objects: ["postgres", "etc"].map((set) => ({
    host: "web1",
    set,
    key: `web1/${set}/2026/11/22/021504Z-7h6oppktcktwsebd5me2xwvsdi/${set}.tar.zst.age`,
    at: "2026-11-22T02:15:04.812Z",
    storedBytes: 73_400_320,
    sha256: "00".repeat(32),
    restoredBytes: 188_400_320,
    files: 1,
    durationMs: 8120,
    outcome: "passed",
    error: null,
    command: { exit: 0, durationMs: 90 },
  })),
};

/** Always the same numbers from 0 to 1 (a linear congruential generator's). */
function createRandom(): () => number {
  let state = 20_261_128;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
