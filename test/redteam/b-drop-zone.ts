/** B. Holds the whole drop-zone account: its owner's key, and the store itself. */
import { randomBytes } from "node:crypto";
import { DeleteObjectCommand, GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Statement } from "../../shared/statement.ts";
import { later } from "../support/run-here.ts";
import { metadataOf, newKey, put, signed } from "./forge.ts";
import { heldAs } from "./a-host.ts";
import { refused, type Row } from "./row.ts";
import type { Field } from "./stand.ts";
import type { Passing, Tampering } from "./tamperer.ts";

const BYTES = randomBytes(5000);
const OTHER = randomBytes(5000);
const HOURS_MS = 3_600_000;

/** Takes the exact version away and lays something else in its place, as only the account's owner can. */
async function replace(field: Field, statement: Statement, bytes: Uint8Array): Promise<void> {
  await remove(field, statement.key);
  await lay(field, statement, bytes);
}

/** Under its name and with the statement that it bore. Not read from the store: Ceph keeps it even from the owner. */
async function lay(field: Field, statement: Statement, bytes: Uint8Array): Promise<void> {
  const Metadata = metadataOf(signed(statement, field.web1.key));
  await put(field.dropZoneOwner, field.dropZone, statement.key, bytes, { Metadata, IfNoneMatch: undefined });
}

async function remove(field: Field, key: string): Promise<void> {
  for (const { versionId: VersionId } of (await field.listDropZone()).filter((version) => version.key === key)) {
    await field.dropZoneOwner.send(new DeleteObjectCommand({ Bucket: field.dropZone, Key: key, VersionId }));
  }
}

async function findings(field: Field): Promise<ReadonlySet<string>> {
  return new Set((await field.entries()).flatMap((entry) => entry.findings.map(({ code }) => code)));
}

const altering: readonly Row[] = [
  {
    attacker: "B",
    tries: "replace the bytes of a waiting object",
    gets: "held: digest-mismatch; no vault name",
    attempt: async (stand) => {
      await using field = await stand.field();
      const statement = await field.upload(field.web1, BYTES);
      await replace(field, statement, OTHER);
      const outcome = heldAs(await field.move(), statement.key);
      return `${outcome}; ${(await field.listVault()).length === 0 ? "no vault name" : "archived"}`;
    },
  },
  {
    attacker: "B",
    tries: "replace an object after it was archived, and bring the old one back",
    gets: "the archive keeps its bytes; the old one is a duplicate",
    attempt: async (stand) => {
      await using field = await stand.field();
      const statement = field.web1.sequence.next(field.dropZone, "web1", BYTES);
      const Metadata = metadataOf(signed(statement, field.web1.key));
      await put(field.web1.client, field.dropZone, statement.key, BYTES, { Metadata });
      await field.move();
      const [first] = await field.listVault();
      await put(field.dropZoneOwner, field.dropZone, statement.key, OTHER, { Metadata });
      await field.move();
      await remove(field, statement.key);
      await put(field.dropZoneOwner, field.dropZone, statement.key, BYTES, { Metadata });
      await field.move();
      const isKept = first !== undefined && (await field.readVault(first.key)).equals(BYTES);
      const versions = (await field.listVault()).filter(({ key }) => key === first?.key);
      const dispositions = (await field.entries()).map(({ disposition }) => disposition);
      const isDuplicate = dispositions.at(-1) === "duplicate" && dispositions.length === 2;
      return isKept && isDuplicate && versions.length === 1
        ? "the archive keeps its bytes; the old one is a duplicate"
        : `${dispositions.join(", ")}; kept: ${isKept}; ${versions.length} versions`;
    },
  },
  {
    attacker: "B",
    tries: "duplicate and reorder what waits",
    gets: "each archived once under its own name; duplicates are recorded as such",
    attempt: async (stand) => {
      await using field = await stand.field();
      const sent: { readonly statement: Statement; readonly bytes: Uint8Array }[] = [];
      for (let count = 0; count < 3; count++) {
        const bytes = randomBytes(100);
        sent.push({ statement: await field.upload(field.web1, bytes), bytes });
      }
      for (const { statement, bytes } of sent.toReversed()) await lay(field, statement, bytes);
      await field.move();
      const dispositions = (await field.entries()).map(({ disposition }) => disposition);
      const archived = await field.listVault();
      const names = new Set(archived.map(({ key }) => key));
      const duplicates = dispositions.filter((disposition) => disposition === "duplicate").length;
      return names.size === archived.length && dispositions.length === 6 && duplicates === 3
        ? "each archived once under its own name; duplicates are recorded as such"
        : `${archived.length} archived, ${dispositions.join(", ")}`;
    },
  },
  {
    attacker: "B",
    tries: "remove a waiting object",
    gets: "missing, in the ledger and as an alert",
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web1, BYTES);
      const { key } = await field.upload(field.web1, BYTES);
      await field.upload(field.web1, BYTES);
      await remove(field, key);
      await field.move();
      const isMissing = (fields: Readonly<Record<string, unknown>>): boolean => fields.kind === "missing";
      const ran = await field.watch(({ event, fields }) => event === "alert" && isMissing(fields), {
        timing: later(2 * HOURS_MS),
      });
      const told = ran.events.some(({ event, fields }) => event === "alert" && isMissing(fields));
      return (await findings(field)).has("missing") && told
        ? "missing, in the ledger and as an alert"
        : `alert: ${told}`;
    },
  },
  {
    attacker: "B",
    tries: "forge an object of a host: unsigned, or signed with another key",
    gets: "held: statement-missing and signature-invalid",
    attempt: async (stand) => {
      await using field = await stand.field();
      const [bare, forged] = [newKey("web1"), newKey("web1")];
      const statement = field.web1.sequence.next(field.dropZone, "web1", OTHER, { key: forged });
      await put(field.dropZoneOwner, field.dropZone, bare, OTHER);
      const Metadata = metadataOf(signed(statement, field.web2.key));
      await put(field.dropZoneOwner, field.dropZone, forged, OTHER, { Metadata });
      const ran = await field.move();
      const outcome = `${heldAs(ran, bare)} and ${heldAs(ran, forged).replace("held: ", "")}`;
      return (await field.listVault()).length === 0 ? outcome : `${outcome}, and archived`;
    },
  },
  {
    attacker: "B",
    tries: "write where no credential scopes: another host's statement under this host's name",
    gets: "held: signature-invalid",
    attempt: async (stand) => {
      await using field = await stand.field();
      const key = newKey("web2");
      const statement = field.web1.sequence.next(field.dropZone, "web2", OTHER, { key });
      const Metadata = metadataOf(signed(statement, field.web1.key));
      await put(field.dropZoneOwner, field.dropZone, key, OTHER, { Metadata });
      return heldAs(await field.move(), key);
    },
  },
  {
    attacker: "B",
    tries: "touch the vault with the drop-zone owner's key",
    gets: "denied",
    enforcedBy: "vault",
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web1, BYTES);
      await field.move();
      const [archived] = await field.listVault();
      const { credentials } = field.dropZoneOwner.config;
      const { endpoint } = stand.vault.vault;
      const thief = new S3Client({
        endpoint,
        region: stand.vault.region,
        forcePathStyle: true,
        maxAttempts: 1,
        credentials,
      });
      const at = { Bucket: field.vault, Key: archived?.key ?? "" };
      return await refused({
        get: () => thief.send(new GetObjectCommand(at)),
        delete: () => thief.send(new DeleteObjectCommand({ ...at, VersionId: archived?.versionId })),
        put: () => put(thief, field.vault, `${at.Key}-x`, OTHER),
      });
    },
  },
];

/** A store that lies, for as long as `times` lasts; then it tells the truth. */
function lying(
  tries: string,
  isIt: (passing: Passing) => boolean,
  tampering: Tampering,
  times: number,
  gets = "nothing archived wrong, nothing lost",
): Row {
  return {
    attacker: "B",
    tries: `answer the mover with lies: ${tries}`,
    gets,
    attempt: async (stand) => {
      let isLying = false;
      let left = times;
      const dropZone = (passing: Passing): Tampering =>
        isLying && isIt(passing) && left-- > 0 ? tampering : { kind: "pass" };
      await using field = await stand.field({ tamper: { dropZone } });
      const sent = [randomBytes(3000), randomBytes(10)];
      for (const bytes of sent) await field.upload(field.web1, bytes);
      isLying = true;
      const memoryBytes = process.memoryUsage().rss;
      await field.move();
      if (left >= times) return "it was never asked";
      if (process.memoryUsage().rss - memoryBytes > 300 * 1024 * 1024) return "it took more than 300 MiB of memory";
      isLying = false;
      const before = await Promise.all((await field.listVault()).map(async ({ key }) => field.readVault(key)));
      const isRight = (bytes: Buffer): boolean => sent.some((other) => bytes.equals(other));
      if (!before.every(isRight)) return "archived wrong";
      // what a lie got held is tried again a day later
      const ran = await field.move({ timing: later(25 * HOURS_MS) });
      const archived = await Promise.all((await field.listVault()).map(async ({ key }) => field.readVault(key)));
      const isWhole = ran.exit === 0 && archived.every(isRight) && archived.length === sent.length;
      const isDrained = (await field.listDropZone()).length === 0;
      const verified = await field.verify();
      return isWhole && isDrained && verified.exit === 0
        ? "nothing archived wrong, nothing lost"
        : `${archived.length} archived, drained: ${isDrained}, exit ${ran.exit}, verify ${verified.exit}`;
    },
  };
}

const isRead = ({ method, path }: Passing): boolean => method === "GET" && path.includes("/web1/");
const isListing = ({ method, query }: Passing): boolean => method === "GET" && query.has("versions");
const xml = (body: string | (() => AsyncIterable<Uint8Array>)): Tampering => ({
  kind: "answer",
  status: 200,
  headers: { "content-type": "application/xml" },
  body,
});

async function* endless(): AsyncIterable<Uint8Array> {
  yield Buffer.from('<?xml version="1.0"?><ListVersionsResult>');
  const version = Buffer.from(
    "<Version><Key>web1/x</Key><VersionId>v</VersionId><ETag>e</ETag><Size>1</Size></Version>".repeat(1000),
  );
  for (;;) yield version;
}

const ENTITIES = `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "${"&a;".repeat(10)}"><!ENTITY c "${"&b;".repeat(10)}">]><ListVersionsResult><Name>&c;</Name></ListVersionsResult>`;

const lies: readonly Row[] = [
  lying("wrong bytes on one read, right ones on the next", isRead, { kind: "flip", atByte: 1 }, 2),
  lying("truncated bodies", isRead, { kind: "reset", atByte: 5 }, 6),
  lying("wrong sizes", isRead, { kind: "answer", status: 200, headers: { etag: '"e"' }, body: "short" }, 3),
  lying("no answer at all", isRead, { kind: "hang" }, 2),
  lying("redirects", isRead, { kind: "answer", status: 307, headers: { location: "http://127.0.0.1:1/elsewhere" } }, 2),
  lying("an endless list", isListing, xml(endless), 2),
  lying("a list that is no XML", isListing, xml("<ListVersionsResult><Version>"), 2),
  lying("XML entities", isListing, xml(ENTITIES), 2),
  lying(
    "a list that never ends its pages",
    isListing,
    xml(
      "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>x</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>",
    ),
    50,
  ),
  lying("a list of what is not there", isListing, xml(listed()), 2),
  lying(
    "deletes that are not done",
    ({ method, query }) => method === "DELETE" || query.has("delete"),
    { kind: "answer", status: 204 },
    2,
  ),
];

function listed(): string {
  const version = `<Version><Key>${newKey("web1")}</Key><VersionId>v</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>10</Size><StorageClass>STANDARD</StorageClass></Version>`;
  return `<ListVersionsResult><IsTruncated>false</IsTruncated>${version}</ListVersionsResult>`;
}

export const bDropZone: readonly Row[] = [...altering, ...lies];
