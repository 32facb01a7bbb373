/** `airlock audit` on every server of the contract suite, with each role's real policy, a root key and policies that are too broad. */
import assert from "node:assert/strict";
import { ROLES } from "../../operator/audit-choices.ts";
import type { Row } from "../../operator/audit.ts";
import { hostPolicy, type Policy, type PolicyStatement } from "../../shared/policies.ts";
import { startEmbedded } from "../servers/embedded.ts";
import { useServer } from "../servers/real-server.ts";
import { Missing, type RunningServer, type ServerName } from "../servers/server.ts";
import { REAL_SERVERS } from "../servers/servers.ts";
import { KNOWN } from "./audit-known.ts";
import { isInDropZone, openAuditStand, type AuditStand } from "./audit-stand.ts";
import type { Claim, Part } from "./claim.ts";

interface Subject {
  readonly name: ServerName;
  readonly title: string;
  readonly start: () => Promise<RunningServer>;
}

const SUBJECTS: readonly Subject[] = [
  { name: "embedded", title: "the embedded store", start: startEmbedded },
  ...REAL_SERVERS.map((server) => ({ name: server.name, title: server.title, start: () => useServer(server) })),
];

export const audit: Part = {
  name: "audit",
  async open(stack) {
    const claims: Claim[] = [];
    for (const { name, title, start } of SUBJECTS) {
      try {
        const stand = await openAuditStand(stack.use(await start()), stack);
        claims.push(...claimsOf(name, title, stand));
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        claims.push({
          claim: "each role's key gives the threat model's matrix",
          provedBy: title,
          prove: () => Promise.reject(error),
        });
      }
    }
    return claims;
  },
};

function claimsOf(name: ServerName, title: string, stand: AuditStand): readonly Claim[] {
  return [
    {
      claim: "each role's key gives the threat model's matrix, but for what the store does not enforce",
      provedBy: title,
      prove: () => proveMatrix(name, stand),
    },
    {
      claim: "run with the root key, it leaves both accounts as they were",
      provedBy: title,
      prove: () => proveHarmless(stand),
    },
    {
      claim: "each power that a host's policy gives too much is named",
      provedBy: title,
      prove: () => proveNaming(name, stand),
    },
  ];
}

async function proveMatrix(name: ServerName, stand: AuditStand): Promise<string> {
  let count = 0;
  const weak = new Set<string>();
  for (const role of ROLES) {
    const { rows } = await stand.audit(role, "own");
    const otherwise = Object.fromEntries(
      rows.filter(({ verdict }) => verdict !== "ok").map((row) => [row.id, row.outcome]),
    );
    assert.deepEqual(otherwise, KNOWN[name][role], role);
    for (const { id, verdict, outcome } of rows) if (verdict === "excess") weak.add(`${id} (${outcome})`);
    count += rows.length;
  }
  return `${count} powers; ${weak.size === 0 ? "all enforced" : `not enforced: ${[...weak].join(", ")}`}`;
}

async function proveHarmless(stand: AuditStand): Promise<string> {
  const before = await stand.snapshot();
  let possible = 0;
  for (const role of ROLES) {
    const { rows, leftovers } = await stand.audit(role, "root");
    assert.deepEqual(leftovers, [], role);
    assert.deepEqual(await stand.snapshot(), before, role);
    possible += rows.filter(({ outcome }) => outcome === "possible").length;
    assert.ok(excessOf(rows).length > 10, role);
  }
  return `${possible} powers tried that it has, nothing changed`;
}

/** One action too many each, and a row that has to tell. */
const TOO_MUCH: readonly (readonly [action: string, id: string])[] = [
  ["s3:PutObject", "create-elsewhere"],
  ["s3:GetObject", "read"],
  ["s3:GetObjectVersion", "read-version"],
  ["s3:ListBucket", "list"],
  ["s3:ListBucketVersions", "list-versions"],
  ["s3:ListBucketMultipartUploads", "list-uploads"],
  ["s3:AbortMultipartUpload", "abort-upload"],
  ["s3:PutObjectTagging", "mark-tags"],
  ["s3:PutBucketPolicy", "set-policy"],
  ["s3:PutBucketVersioning", "set-versioning"],
  ["s3:DeleteObjectVersion", "delete-version"],
  ["s3:DeleteObject", "delete"],
];

/** moto answers these without a code to whoever may, and with one to whoever may not. */
const MUTE: Partial<Record<ServerName, readonly string[]>> = { moto: ["mark-tags", "set-policy", "set-versioning"] };

/** moto asks for s3:ListBucket there. */
const BESIDE: Partial<Record<ServerName, readonly string[]>> = { moto: ["get-object-lock"] };

async function proveNaming(name: ServerName, stand: AuditStand): Promise<string> {
  const others = new Set([...Object.keys(KNOWN[name].host), ...(BESIDE[name] ?? [])]);
  for (const [action, id] of TOO_MUCH) {
    const { rows } = await stand.audit("host", (bucket) => withOneMore(bucket, action));
    const row = rows.find((each) => each.id === id);
    const isMute = MUTE[name]?.includes(id) === true;
    assert.equal(row?.verdict, isMute ? "unknown" : "excess", `${action}: ${id}: ${row?.detail}`);
    if (!isMute) assert.match(row?.remedy ?? "", /host\.json/);
    // what is named beside it is no longer denied either, or is known of this store
    for (const { id: excess, actions } of excessOf(rows)) {
      const isUndenied = actions.some((each) => each === action || isUndeniedWith(each, action));
      assert.ok(isUndenied || others.has(excess), `${action}: ${excess}`);
    }
  }
  for (const role of ROLES) {
    const { rows } = await stand.audit(role, (bucket) => allowing("s3:*", bucket));
    for (const { id, outcome } of rows) {
      if (BASIC.has(id) && isInDropZone(role)) assert.equal(outcome, "possible", `${role}: ${id}`);
    }
  }
  return `${TOO_MUCH.length} policies with one action too many, 4 with all`;
}

const BASIC: ReadonlySet<string> = new Set(TOO_MUCH.slice(0, 7).map(([, id]) => id));

function withOneMore(bucket: string, action: string): Policy {
  const own = hostPolicy({ bucket, host: "web1", secureTransport: false });
  // what a store gives to whoever uploaded an object is denied as before, except for this
  const Statement = own.Statement.map((each) => (each.Sid === "NothingElse" ? without(each, action) : each));
  return { ...own, Statement: [...Statement, ...allowing(action, bucket).Statement] };
}

/** `s3:Get*` and the like go as a whole where they cover the action. */
function without(statement: PolicyStatement, action: string): PolicyStatement {
  return { ...statement, Action: [statement.Action].flat().filter((pattern) => !covers(pattern, action)) };
}

function covers(pattern: string, action: string): boolean {
  return new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(action);
}

/** Ceph lets whoever uploaded an object do with it what no policy denies. */
function isUndeniedWith(other: string, action: string): boolean {
  const { Statement } = hostPolicy({ bucket: "b", host: "web1", secureTransport: false });
  const denied = Statement.filter(({ Sid }) => Sid === "NothingElse").flatMap(({ Action }) => Action);
  return denied.some((pattern) => covers(pattern, action) && covers(pattern, other));
}

function allowing(action: string, bucket: string): Policy {
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  return { Version: "2012-10-17", Statement: [{ Sid: "More", Effect: "Allow", Action: action, Resource }] };
}

function excessOf(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ verdict }) => verdict === "excess");
}
