/** A. Holds a host's machine and its keys: the S3 key, the signing key. */
import { randomBytes } from "node:crypto";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  S3Client,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import type { Statement } from "../../shared/statement.ts";
import { later, type LoggedEvent, type RanHere } from "../support/run-here.ts";
import { metadataOf, newKey, put, signed } from "./forge.ts";
import { answerOf, refused, type Row } from "./row.ts";
import type { Field, Stand } from "./stand.ts";

const BYTES = Buffer.from("the bytes of a backup");
const OTHER = Buffer.from("the bytes of a forger");
const DAY_MS = 24 * 3_600_000;
const CREATES_WITHOUT = "a new version; the first one is archived all the same, and the other is held";

/** What it is held for, or that it was not. */
export function heldAs(ran: RanHere, key: string): string {
  const line = ran.events.find(({ event, fields }) => event === "object-held" && fields.key === key);
  return line === undefined ? "not held" : `held: ${line.code}`;
}

/** Reasons, with how many are held for each, as the mover's last word on a host. */
function holdsOf(ran: RanHere, host: string): string {
  const alerts = ran.events.filter(
    ({ event, fields }) => event === "alert" && fields.kind === "held" && fields.host === host,
  );
  const reasons = alerts.map(({ fields }) => String(fields.detail));
  return reasons.length === 0 ? "not held" : `held: ${reasons.toSorted().join(", ")}`;
}

/** One object of the other host's, which has to cross whatever this host does. */
async function withOther(field: Field, ran: () => Promise<RanHere>): Promise<RanHere> {
  const honest = await field.upload(field.web2, randomBytes(100));
  const done = await ran();
  const isThere = (await field.listVault("archive/web2/")).some(({ key }) => key.includes(keyPart(honest)));
  if (!isThere) throw new Error(`another host's object did not cross: ${done.error?.message ?? ""}`);
  if (done.exit !== 0) throw new Error(JSON.stringify(done.events.filter(({ code }) => code !== null).slice(0, 2)));
  return done;
}

function keyPart({ key }: Statement): string {
  return key.split("/").slice(2, 6).join("/");
}

/** Requests with the host's own key, at an upload of its own. */
function denied(
  tries: string,
  calls: (at: {
    readonly field: Field;
    readonly Bucket: string;
    readonly Key: string;
    readonly VersionId: string | undefined;
  }) => Readonly<Record<string, () => Promise<unknown>>>,
  otherwise: Row["otherwise"] = {},
): Row {
  return {
    attacker: "A",
    tries,
    gets: "denied",
    enforcedBy: "drop-zone",
    otherwise,
    attempt: async (stand) => {
      await using field = await stand.field();
      const { key: Key } = await field.upload(field.web1, BYTES);
      const VersionId = (await field.listDropZone()).find(({ key }) => key === Key)?.versionId;
      return await refused(calls({ field, Bucket: field.dropZone, Key, VersionId }));
    },
  };
}

/** A statement that lies, signed by the host itself. */
function lie(what: string, gets: string, make: (field: Field) => Promise<string>): Row {
  return {
    attacker: "A",
    tries: `lie in the statement: ${what}`,
    gets,
    attempt: async (stand) => {
      await using field = await stand.field();
      const key = await make(field);
      const outcome = heldAs(await withOther(field, () => field.move()), key);
      const archived = await field.listVault("archive/web1/");
      return archived.length === 0 ? outcome : `${outcome}, and archived`;
    },
  };
}

function stated(what: string, gets: string, changes: Partial<Statement>): Row {
  return lie(what, gets, async (field) => {
    const key = newKey("web1");
    const statement = field.web1.sequence.next(field.dropZone, "web1", BYTES, { key });
    await put(field.web1.client, field.dropZone, key, BYTES, {
      Metadata: metadataOf(signed({ ...statement, ...changes }, field.web1.key)),
    });
    return key;
  });
}

function junk(what: string, make: (right: string) => string): Row {
  return lie(what, "held: statement-invalid", async (field) => {
    const key = newKey("web1");
    const right = signed(field.web1.sequence.next(field.dropZone, "web1", BYTES, { key }), field.web1.key);
    await put(field.web1.client, field.dropZone, `${key}.airlock.json`, Buffer.from(make(right)));
    await put(field.web1.client, field.dropZone, key, BYTES);
    return key;
  });
}

const permissions: readonly Row[] = [
  denied("list the drop-zone, its versions, its uploads", ({ field, Bucket }) => ({
    list: () => field.web1.client.send(new ListObjectsV2Command({ Bucket })),
    "list its own prefix": () => field.web1.client.send(new ListObjectsV2Command({ Bucket, Prefix: "web1/" })),
    "list versions": () => field.web1.client.send(new ListObjectVersionsCommand({ Bucket })),
    "list uploads": () => field.web1.client.send(new ListMultipartUploadsCommand({ Bucket })),
  })),
  denied("read, head, copy its own uploads, by version too", ({ field, Bucket, Key, VersionId }) => ({
    get: () => field.web1.client.send(new GetObjectCommand({ Bucket, Key })),
    "get by version": () => field.web1.client.send(new GetObjectCommand({ Bucket, Key, VersionId })),
    head: () => field.web1.client.send(new HeadObjectCommand({ Bucket, Key })),
    tags: () => field.web1.client.send(new GetObjectTaggingCommand({ Bucket, Key })),
    copy: () =>
      field.web1.client.send(
        new CopyObjectCommand({ Bucket, Key: newKey("web1"), CopySource: `${Bucket}/${Key}`, IfNoneMatch: "*" }),
      ),
  })),
  denied("delete by key, by version, in a batch", ({ field, Bucket, Key, VersionId }) => ({
    delete: () => field.web1.client.send(new DeleteObjectCommand({ Bucket, Key })),
    "delete a version": () => field.web1.client.send(new DeleteObjectCommand({ Bucket, Key, VersionId })),
    "delete in a batch": async () => {
      const Delete = { Objects: [{ Key, ...(VersionId === undefined ? {} : { VersionId }) }] };
      const command = new DeleteObjectsCommand({ Bucket, Delete, ChecksumAlgorithm: "CRC32" });
      const { Deleted = [] } = await field.web1.client.send(command);
      if (Deleted.length === 0) await field.web1.client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    },
  })),
  denied("put a lifecycle rule, policy, versioning, ACL, tags, retention", ({ field, Bucket, Key }) => ({
    lifecycle: () =>
      field.web1.client.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: {
            Rules: [{ ID: "all", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } }],
          },
        }),
      ),
    policy: () => {
      const Statement = [
        { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `arn:aws:s3:::${Bucket}/*` },
      ];
      const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
      return field.web1.client.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    },
    versioning: () => {
      const VersioningConfiguration = { Status: "Suspended" } as const;
      return field.web1.client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    },
    ACL: () => field.web1.client.send(new PutObjectAclCommand({ Bucket, Key, ACL: "public-read" })),
    tags: () =>
      field.web1.client.send(
        new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: "a", Value: "b" }] } }),
      ),
    retention: () => {
      const Retention = { Mode: "COMPLIANCE", RetainUntilDate: new Date(Date.now() + DAY_MS) } as const;
      return field.web1.client.send(new PutObjectRetentionCommand({ Bucket, Key, Retention }));
    },
  })),
  denied("write under another host's prefix, or outside of any", ({ field, Bucket }) =>
    Object.fromEntries(
      [newKey("web2"), "web2/x", "web11/x", "x", "_airlock/probe/mover-a/x"].map((key) => [
        key.startsWith("web2/files") ? "web2/…" : key,
        () => put(field.web1.client, Bucket, key, OTHER),
      ]),
    ),
  ),
  {
    attacker: "A",
    tries: "list or head the vault with the host's key",
    gets: "denied",
    enforcedBy: "vault",
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web2, BYTES);
      await field.move();
      const [archived] = await field.listVault();
      const at = { Bucket: field.vault, Key: archived?.key ?? "" };
      const thief = stolen(field, stand);
      return await refused({
        list: () => thief.send(new ListObjectsV2Command({ Bucket: field.vault })),
        head: () => thief.send(new HeadObjectCommand(at)),
        get: () => thief.send(new GetObjectCommand(at)),
      });
    },
  },
];

/** The host's own key, held to the vault's door. */
function stolen({ web1, vaultOwner }: Field, { vault }: Stand): S3Client {
  const { region } = vault;
  return new S3Client({
    endpoint: vault.vault.endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: web1.client.config.credentials,
    logger: vaultOwner.config.logger,
  });
}

const overwriting: readonly Row[] = [
  {
    attacker: "A",
    tries: "overwrite an object whose name it knows, with If-None-Match",
    gets: "denied",
    enforcedBy: "drop-zone",
    otherwise: { rgw: { gets: CREATES_WITHOUT, why: "RGW 16 ignores If-None-Match on versioned buckets" } },
    attempt: (stand) => overwrite(stand, { IfNoneMatch: "*" }),
  },
  {
    attacker: "A",
    tries: "overwrite an object whose name it knows, without a condition",
    gets: "denied",
    enforcedBy: "drop-zone",
    otherwise: Object.fromEntries(
      (["versitygw", "rgw"] as const).map((name) => [
        name,
        { gets: CREATES_WITHOUT, why: "its policies know no s3:if-none-match" },
      ]),
    ),
    attempt: (stand) => overwrite(stand, { IfNoneMatch: undefined }),
  },
];

async function overwrite(stand: Stand, condition: Pick<PutObjectCommandInput, "IfNoneMatch">): Promise<string> {
  await using field = await stand.field();
  const { key } = await field.upload(field.web1, BYTES);
  const status = await answerOf(() => put(field.web1.client, field.dropZone, key, OTHER, condition));
  if (status === 403 || status === 412) return "denied";
  const ran = await withOther(field, () => field.move());
  const [archived, ...others] = await field.listVault("archive/web1/");
  const isFirst = archived !== undefined && (await field.readVault(archived.key)).equals(BYTES);
  const isHeld = heldAs(ran, key).startsWith("held");
  return isFirst && isHeld && others.length === 0 ? CREATES_WITHOUT : `${status}; first archived: ${isFirst}`;
}

const floods: readonly Row[] = [
  {
    attacker: "A",
    tries: "flood: 300 tiny objects past its quota, beside junk without statements",
    gets: "10 archived, the rest held; another host's object crosses",
    attempt: async (stand) => {
      await using field = await stand.field({ hostOptions: "quota: { objectsPerDay: 10 }" });
      for (let sent = 0; sent < 300; sent += 30) {
        await Promise.all(
          Array.from({ length: 30 }, (_, index) =>
            sent + index < 100
              ? field.upload(field.web1, randomBytes(8))
              : put(field.web1.client, field.dropZone, newKey("web1"), randomBytes(8)),
          ),
        );
      }
      const ran = await withOther(field, () => field.move());
      const archived = (await field.listVault("archive/web1/")).length;
      const left = (await field.listDropZone()).length;
      const isSafe = archived === 10 && left === 290 && holdsOf(ran, "web1").includes("quota-objects");
      return isSafe
        ? "10 archived, the rest held; another host's object crosses"
        : `${archived} archived, ${left} left; ${holdsOf(ran, "web1")}`;
    },
  },
  {
    attacker: "A",
    tries: "an object beyond its quota's size or bytes a day",
    gets: "held: object-too-large: 1, quota-bytes: 1",
    attempt: async (stand) => {
      await using field = await stand.field({ hostOptions: "quota: { objectSize: 1MiB, bytesPerDay: 1MiB }" });
      await field.upload(field.web1, randomBytes(1024 * 1024 + 1));
      await field.upload(field.web1, randomBytes(1024 * 1024 - 100));
      await field.upload(field.web1, randomBytes(1024 * 1024 - 100));
      return holdsOf(await withOther(field, () => field.move()), "web1");
    },
  },
  {
    attacker: "A",
    tries: "names that climb, control characters, 1,024 bytes",
    gets: "held by form, or refused by the store; another host's object crosses",
    attempt: async (stand) => {
      await using field = await stand.field();
      const names = [
        "web1/../web2/x",
        "web1//x",
        "web1/./x",
        "web1/\u0001\u001b[2J",
        `web1/${"x".repeat(1019)}`,
        "web1/é",
      ];
      for (const key of [...names, newKey("web1").replace("file", "fi\u0007le")]) {
        await answerOf(() => put(field.web1.client, field.dropZone, key, OTHER));
      }
      await withOther(field, () => field.move());
      const archived = await field.listVault("archive/");
      const isSafe = archived.every(({ key }) => key.startsWith("archive/web2/files/"));
      return isSafe && archived.length === 1
        ? "held by form, or refused by the store; another host's object crosses"
        : archived.map(({ key }) => key).join(" ");
    },
  },
  {
    attacker: "A",
    tries: "the same names where foreign objects are let in",
    gets: "archived under safe names, or refused by the store",
    enforcedBy: "drop-zone",
    otherwise: {
      versitygw: { gets: "1 stays where it is, the rest crosses", why: "it lists control characters as others" },
    },
    attempt: async (stand) => {
      await using field = await stand.field({ hostOptions: "foreign: true, signatures: none" });
      const names = [
        "web1/%2E%2E/x",
        "web1/a~b",
        "web1/a%7Eb",
        "web1/\u0001x",
        `web1/${"y".repeat(900)}`,
        "web1/é",
        "web1/é ",
      ];
      let taken = 0;
      for (const [index, key] of names.entries()) {
        const bytes = Buffer.from(`${index}`);
        if ((await answerOf(() => put(field.web1.client, field.dropZone, key, bytes))) === 200) taken++;
      }
      await withOther(field, async () => ({ ...(await field.move()), exit: 0 }));
      const archived = await field.listVault("archive/web1/");
      const left = await field.listDropZone();
      const isSafe = archived.every(({ key }) => /^[A-Za-z0-9._=~%/-]{1,1024}$/.test(key) && !key.includes("/../"));
      const bodies = new Set(
        await Promise.all(archived.map(async ({ key }) => (await field.readVault(key)).toString())),
      );
      return isSafe && archived.length === taken && bodies.size === taken
        ? "archived under safe names, or refused by the store"
        : isSafe && archived.length + left.length === taken
          ? `${left.length} stays where it is, the rest crosses`
          : `${taken} taken, ${archived.length} archived`;
    },
  },
  {
    attacker: "A",
    tries: "what the mover cannot read: SSE-C",
    gets: "held: object-unreadable",
    enforcedBy: "drop-zone",
    otherwise: {
      versitygw: { gets: "archived", why: "it ignores SSE-C, and so the mover can read it" },
      rgw: { gets: "refused by the store", why: "it takes SSE-C over TLS only" },
    },
    attempt: async (stand) => {
      await using field = await stand.field();
      const key = newKey("web1");
      const statement = field.web1.sequence.next(field.dropZone, "web1", BYTES, { key });
      const SSECustomerKey = randomBytes(32).toString("base64");
      const status = await answerOf(() =>
        put(field.web1.client, field.dropZone, key, BYTES, {
          Metadata: metadataOf(signed(statement, field.web1.key)),
          SSECustomerAlgorithm: "AES256",
          SSECustomerKey,
        }),
      );
      const ran = await withOther(field, () => field.move());
      if (status !== 200) return "refused by the store";
      return (await field.listVault("archive/web1/")).length > 0 ? "archived" : heldAs(ran, key);
    },
  },
  {
    attacker: "A",
    tries: "steer the vault by tags, headers, class, ACL or retention",
    gets: "nothing of it reaches the vault",
    attempt: async (stand) => {
      await using field = await stand.field();
      const steering: readonly Partial<PutObjectCommandInput>[] = [
        { Tagging: "expire=now" },
        { ACL: "public-read" },
        { StorageClass: "STANDARD_IA" },
        { ObjectLockMode: "GOVERNANCE", ObjectLockRetainUntilDate: new Date(Date.now() + 3650 * DAY_MS) },
        { WebsiteRedirectLocation: "https://example.net/" },
      ];
      for (const more of steering) {
        const key = newKey("web1");
        const statement = field.web1.sequence.next(field.dropZone, "web1", BYTES, { key });
        const Metadata = metadataOf(signed(statement, field.web1.key));
        await answerOf(() => put(field.web1.client, field.dropZone, key, BYTES, { ...more, Metadata }));
      }
      await withOther(field, () => field.move());
      const reached: string[] = [];
      for (const { key: Key } of await field.listVault("archive/web1/")) {
        const at = { Bucket: field.vault, Key };
        const head = await field.vaultOwner.send(new HeadObjectCommand(at));
        const { TagSet = [] } = await field.vaultOwner.send(new GetObjectTaggingCommand(at));
        const isLong = (head.ObjectLockRetainUntilDate?.getTime() ?? 0) > Date.now() + 300 * DAY_MS;
        const { StorageClass = "STANDARD", WebsiteRedirectLocation } = head;
        if (TagSet.length > 0 || isLong || StorageClass !== "STANDARD" || WebsiteRedirectLocation) reached.push(Key);
      }
      return reached.length === 0 ? "nothing of it reaches the vault" : `reached ${reached.join(" ")}`;
    },
  },
];

const lies: readonly Row[] = [
  stated("another digest", "held: digest-mismatch", { sha256: "0".repeat(64) }),
  stated("another size", "held: size-mismatch", { size: 1 }),
  stated("another key", "held: statement-invalid", { key: newKey("web1") }),
  stated("another bucket", "held: statement-invalid", { bucket: "another" }),
  stated("another host", "held: statement-invalid", { host: "web2" }),
  junk("4 KiB of junk", () => randomBytes(4096).toString("latin1")),
  junk("deep nesting", () => `${"[".repeat(2000)}${"]".repeat(2000)}`),
  junk("duplicate keys", (right) => right.replace('"statement":{', '"statement":{"host":"web2",')),
  junk("prototype keys", (right) => right.replace('"statement":{', '"statement":{"__proto__":{"host":"web2"},')),
  {
    attacker: "A",
    tries: "sign what a foreign key should have signed",
    gets: "held: signature-invalid",
    attempt: async (stand) => {
      await using field = await stand.field();
      const key = newKey("web1");
      const statement = field.web1.sequence.next(field.dropZone, "web1", BYTES, { key });
      const Metadata = metadataOf(signed(statement, field.web2.key));
      await put(field.web1.client, field.dropZone, key, BYTES, { Metadata });
      return heldAs(await withOther(field, () => field.move()), key);
    },
  },
  {
    attacker: "A",
    tries: "lie in the sequence: a gap, a fork, an old epoch",
    gets: "all archived; missing and forked are recorded",
    attempt: async (stand) => {
      await using field = await stand.field();
      const first = await field.upload(field.web1, BYTES);
      await field.upload(field.web1, OTHER, { seq: 5 });
      await field.upload(field.web1, Buffer.from("a fork"), { seq: 1, epoch: first.epoch, prev: null });
      await withOther(field, () => field.move());
      await field.move({ timing: later(2 * 3_600_000) });
      const codes = new Set((await field.entries()).flatMap(({ findings }) => findings.map(({ code }) => code)));
      const archived = (await field.listVault("archive/web1/")).length;
      const isNoticed = codes.has("missing") && codes.has("forked");
      return archived === 3 && isNoticed
        ? "all archived; missing and forked are recorded"
        : `${archived} archived; ${[...codes].join(", ")}`;
    },
  },
  {
    attacker: "A",
    tries: "replay a statement with new bytes, or under a new name",
    gets: "held: digest-mismatch and statement-invalid",
    attempt: async (stand) => {
      await using field = await stand.field();
      const key = newKey("web1");
      const old = signed(field.web1.sequence.next(field.dropZone, "web1", BYTES, { key }), field.web1.key);
      const fresh = newKey("web1");
      await put(field.web1.client, field.dropZone, key, OTHER, { Metadata: metadataOf(old) });
      await put(field.web1.client, field.dropZone, fresh, BYTES, { Metadata: metadataOf(old) });
      const ran = await withOther(field, () => field.move());
      const outcome = [heldAs(ran, key), heldAs(ran, fresh)].join(" ");
      return outcome === "held: digest-mismatch held: statement-invalid"
        ? "held: digest-mismatch and statement-invalid"
        : outcome;
    },
  },
];

const quiet: readonly Row[] = [
  {
    attacker: "A",
    tries: "stop the backups quietly, or send empty or unsigned ones",
    gets: "an alert: overdue",
    attempt: async (stand) => {
      const hostOptions = "signatures: optional, expect: { files: { every: 26h, minSize: 1KiB } }";
      await using field = await stand.field({ hostOptions });
      await field.upload(field.web1, randomBytes(2000));
      await field.move();
      await field.upload(field.web1, Buffer.of());
      await put(field.web1.client, field.dropZone, newKey("web1"), randomBytes(5000));
      const isOverdue = ({ event, fields }: LoggedEvent): boolean => event === "alert" && fields.kind === "overdue";
      const ran = await field.watch(isOverdue, { timing: later(27 * 3_600_000) });
      const told = ran.events.filter(({ event, fields }) => event === "alert" && fields.host === "web1");
      const kinds = told.map(({ fields }) => String(fields.kind));
      return kinds.includes("overdue") ? "an alert: overdue" : `alerts: ${kinds.join(", ")}`;
    },
  },
  {
    attacker: "A",
    tries: "upload plausible garbage instead of backups",
    gets: "archived, with alerts: compression-anomaly, size-anomaly",
    attempt: async (stand) => {
      await using field = await stand.field();
      const encoding: Statement["encoding"] = ["tar", "zstd"];
      for (let day = 0; day < 5; day++) await field.upload(field.web1, randomBytes(20_000), { encoding });
      await field.move();
      await field.upload(field.web1, randomBytes(100), { encoding: ["tar"] });
      const ran = await withOther(field, () => field.move());
      const told = ran.events.filter(({ event, fields }) => event === "alert" && fields.host === "web1");
      const kinds = told.map(({ fields }) => String(fields.kind)).toSorted();
      const archived = (await field.listVault("archive/web1/")).length;
      return `${archived === 6 ? "archived" : "not archived"}, with alerts: ${kinds.join(", ")}`;
    },
  },
];

export const aHost: readonly Row[] = [...permissions, ...overwriting, ...floods, ...lies, ...quiet];
