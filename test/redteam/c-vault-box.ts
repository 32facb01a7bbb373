/** C. Holds the vault box: the mover's two keys and its signing key. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import { readOperatorConfig } from "../../operator/config.ts";
import { verify, type VerifyContext } from "../../operator/verify.ts";
import { generateSigningKey } from "../../shared/keys.ts";
import { openVaultReader } from "../../shared/s3/vault-reader.ts";
import { socketsOf } from "../integration/mover/sockets.ts";
import { later, type RanHere } from "../support/run-here.ts";
import { COMPILE_CACHE, root } from "../support/world.ts";
import { metadataOf, put, signed } from "./forge.ts";
import { answerOf, refused, type Row } from "./row.ts";
import type { Field, Listed, Stand } from "./stand.ts";

const BYTES = randomBytes(5000);
const FORGED = Buffer.from("what the thief would like to be there");
const DAY_MS = 24 * 3_600_000;
const NEW_VERSION = "a new version; the recorded one stays, and verify tells";

interface Archive {
  readonly field: Field;
  readonly archived: Listed;
  readonly segment: string;
}

async function withArchive(stand: Stand, use: (archive: Archive) => Promise<string>): Promise<string> {
  await using field = await stand.field();
  await field.upload(field.web1, BYTES);
  await field.move();
  const [archived] = await field.listVault();
  const [segment] = await field.segments();
  if (archived === undefined || segment === undefined) throw new Error("nothing was archived");
  return await use({ field, archived, segment });
}

/** What `airlock verify --read` finds, as a set of codes. */
function codesOf(verified: RanHere): readonly string[] {
  const codes = verified.printed.flatMap((value) =>
    typeof value === "object" && value !== null && "code" in value ? [String(value.code)] : [],
  );
  return [...new Set(codes)].toSorted();
}

function denied(
  tries: string,
  calls: (archive: Archive) => Readonly<Record<string, () => Promise<unknown>>>,
  otherwise: Row["otherwise"] = {},
): Row {
  return {
    attacker: "C",
    tries,
    gets: "denied",
    enforcedBy: "vault",
    otherwise,
    attempt: (stand) => withArchive(stand, (archive) => refused(calls(archive))),
  };
}

const powers: readonly Row[] = [
  denied("delete an archived object: by key, by version, in a batch", ({ field, archived, segment }) => {
    const at = { Bucket: field.vault, Key: archived.key };
    const { versionId: VersionId } = archived;
    return {
      delete: () => field.vaultMover.send(new DeleteObjectCommand(at)),
      "delete the version": () => field.vaultMover.send(new DeleteObjectCommand({ ...at, VersionId })),
      "delete in a batch": async () => {
        const Delete = { Objects: [{ Key: at.Key, ...(VersionId === undefined ? {} : { VersionId }) }] };
        const command = new DeleteObjectsCommand({ Bucket: at.Bucket, Delete, ChecksumAlgorithm: "CRC32" });
        const { Deleted = [] } = await field.vaultMover.send(command);
        if (Deleted.length === 0) await field.vaultMover.send(new DeleteObjectCommand({ ...at, VersionId }));
      },
      "delete the ledger": () => field.vaultMover.send(new DeleteObjectCommand({ ...at, Key: segment })),
    };
  }),
  denied(
    "shorten, extend or lift an archived object's retention, or the bucket's",
    ({ field, archived }) => {
      const at = { Bucket: field.vault, Key: archived.key };
      const retain = (days: number): Promise<unknown> => {
        const Retention = { Mode: "COMPLIANCE", RetainUntilDate: new Date(Date.now() + days * DAY_MS) } as const;
        return field.vaultMover.send(new PutObjectRetentionCommand({ ...at, Retention }));
      };
      return {
        shorten: () => retain(0.01),
        extend: () => retain(3650),
        "legal hold": () =>
          field.vaultMover.send(new PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: "ON" } })),
        "the bucket's default": () => {
          const ObjectLockConfiguration = { ObjectLockEnabled: "Enabled" } as const;
          return field.vaultMover.send(
            new PutObjectLockConfigurationCommand({ Bucket: at.Bucket, ObjectLockConfiguration }),
          );
        },
        lifecycle: () =>
          field.vaultMover.send(
            new PutBucketLifecycleConfigurationCommand({
              Bucket: at.Bucket,
              LifecycleConfiguration: {
                Rules: [{ ID: "all", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } }],
              },
            }),
          ),
      };
    },
    {
      moto: {
        gets: "allowed: shorten, extend, legal hold",
        why: "it checks no policy for retention; a test server only",
      },
    },
  ),
  {
    attacker: "C",
    tries: "read an archived object",
    gets: "denied",
    enforcedBy: "vault",
    otherwise: { moto: { gets: "allowed: get, head", why: "`verify: readback` has to read what it archived" } },
    attempt: (stand) =>
      withArchive(stand, ({ field, archived: { key: Key } }) => {
        const at = { Bucket: field.vault, Key };
        return refused({
          get: () => field.vaultMover.send(new GetObjectCommand(at)),
          head: () => field.vaultMover.send(new HeadObjectCommand(at)),
        });
      }),
  },
  denied(
    "list what is archived",
    ({ field }) => ({
      list: () => field.vaultMover.send(new ListObjectsV2Command({ Bucket: field.vault, Prefix: "archive/" })),
      "list versions": () =>
        field.vaultMover.send(new ListObjectVersionsCommand({ Bucket: field.vault, Prefix: "archive/" })),
    }),
    {
      moto: { gets: "allowed: list, list versions", why: "it looks at no condition of a policy; names only" },
    },
  ),
];

/** Puts over what is there; where that is taken, the recorded version has to stay and verify to tell. */
function overwriting(tries: string, key: (archive: Archive) => string, condition: "*" | undefined): Row {
  return {
    attacker: "C",
    tries,
    gets: "denied",
    enforcedBy: "vault",
    otherwise:
      condition === "*"
        ? {}
        : {
            versitygw: { gets: NEW_VERSION, why: "its policies know no s3:if-none-match; Object Lock keeps the first" },
            moto: { gets: NEW_VERSION, why: "it looks at no condition of a policy; Object Lock keeps the first" },
          },
    attempt: (stand) =>
      withArchive(stand, async (archive) => {
        const { field } = archive;
        const Key = key(archive);
        const status = await answerOf(() =>
          field.vaultMover.send(
            new PutObjectCommand({
              Bucket: field.vault,
              Key,
              Body: FORGED,
              IfNoneMatch: condition,
              ChecksumAlgorithm: "CRC32",
            }),
          ),
        );
        if (status !== 200) return status === 403 || status === 412 ? "denied" : `${status}`;
        const versions = (await field.listVault(Key)).filter((version) => version.key === Key);
        const codes = codesOf(await field.verify());
        return versions.length === 2 && codes.length > 0
          ? NEW_VERSION
          : `${versions.length} versions, verify: ${codes.join(", ")}`;
      }),
  };
}

const rewriting: readonly Row[] = [
  overwriting("overwrite an archived object, with If-None-Match", ({ archived }) => archived.key, "*"),
  overwriting("overwrite an archived object, without a condition", ({ archived }) => archived.key, undefined),
  overwriting("rewrite the ledger, with If-None-Match", ({ segment }) => segment, "*"),
  overwriting("rewrite the ledger, without a condition", ({ segment }) => segment, undefined),
  {
    attacker: "C",
    tries: "go on with a ledger that does not follow",
    gets: "verify tells, and names the segment",
    attempt: (stand) =>
      withArchive(stand, async ({ field, segment }) => {
        const next = segment.replace("000000000001", "000000000002");
        await put(field.vaultMover, field.vault, next, await field.readVault(segment), { ChecksumAlgorithm: "CRC32" });
        const verified = await field.verify();
        const names = JSON.stringify(verified.printed).includes('"segment":2');
        return verified.exit === 5 && names
          ? "verify tells, and names the segment"
          : `exit ${verified.exit}: ${verified.error?.message} ${codesOf(verified).join(", ")}`;
      }),
  },
];

const forging: readonly Row[] = [
  {
    attacker: "C",
    tries: "archive without recording",
    gets: "verify: object-unrecorded",
    attempt: (stand) =>
      withArchive(stand, async ({ field }) => {
        await put(field.vaultMover, field.vault, "archive/web1/files/forged", FORGED, { ChecksumAlgorithm: "CRC32" });
        // a day later, when it is too old to be on its way into the ledger
        const config = await readOperatorConfig(field.operatorConfig);
        await using reader = await openVaultReader(config.vault);
        const codes = new Set<string>();
        const context: VerifyContext = {
          ...config,
          reader,
          timing: later(DAY_MS),
          signal: AbortSignal.timeout(30_000),
          report: ({ code }) => void codes.add(code),
          drained: () => Promise.resolve(),
          onStep: () => undefined,
        };
        await verify(context);
        return `verify: ${[...codes].join(", ")}`;
      }),
  },
  {
    attacker: "C",
    tries: "archive forged objects, signed with a key of its own",
    gets: "possible; verify tells, with the operator's own list of keys",
    attempt: async (stand) => {
      await using field = await stand.field();
      const thief = generateSigningKey();
      const text = await readFile(field.moverConfig, "utf8");
      await writeFile(field.moverConfig, text.replace(field.web1.key.public.text, thief.public.text));
      const statement = field.web1.sequence.next(field.dropZone, "web1", FORGED);
      const Metadata = metadataOf(signed(statement, thief));
      await put(field.web1.client, field.dropZone, statement.key, FORGED, { Metadata });
      await field.move();
      if ((await field.listVault()).length !== 1) return "not archived";
      const verified = await field.verify();
      return verified.exit === 5
        ? "possible; verify tells, with the operator's own list of keys"
        : `exit ${verified.exit}: ${verified.error?.message} ${codesOf(verified).join(", ")}`;
    },
  },
  {
    attacker: "C",
    tries: "delete what has not been moved yet",
    gets: "possible; a hole in the host's sequence, once it goes on",
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web1, BYTES);
      await field.move();
      await field.upload(field.web1, BYTES);
      for (const { key: Key, versionId: VersionId } of await field.listDropZone()) {
        await field.dropZoneMover.send(new DeleteObjectCommand({ Bucket: field.dropZone, Key, VersionId }));
      }
      await field.upload(field.web1, BYTES);
      await field.move({ timing: later(2 * 3_600_000) });
      await field.move({ timing: later(4 * 3_600_000) });
      const entries = await field.entries();
      const told = entries.some(({ findings }) => findings.some(({ code }) => code === "missing"));
      const verified = codesOf(await field.verify());
      return told || verified.some((code) => code.includes("sequence") || code.includes("missing"))
        ? "possible; a hole in the host's sequence, once it goes on"
        : `nobody notices; verify: ${verified.join(", ")}`;
    },
  },
];

const network: readonly Row[] = [
  {
    attacker: "C",
    tries: "reach the mover from the network",
    gets: "no listening socket",
    attempt: async (stand) => {
      await using field = await stand.field();
      const child = spawn(process.execPath, [join(root, "mover/main.ts"), "--config", field.moverConfig, "run"], {
        env: { PATH: process.env.PATH, HOME: field.dir, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: COMPILE_CACHE },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
      try {
        await field.upload(field.web1, BYTES);
        const { pid } = child;
        if (pid === undefined) throw new Error("the mover did not start");
        for await (const line of createInterface(child.stderr)) {
          if (line.includes('"object-archived"')) break;
        }
        // it goes on listing, over connections that some stores close after each answer
        for (let look = 0; look < 500; look++) {
          const sockets = await socketsOf(pid);
          const open = sockets.filter(({ isOpen }) => isOpen);
          if (open.length > 0) return open.map(({ line }) => line).join("; ");
          if (sockets.some(({ protocol }) => protocol === "tcp")) return "no listening socket";
          await delay(10);
        }
        return "its sockets were not seen";
      } finally {
        child.kill("SIGKILL");
        await ended;
      }
    },
  },
];

export const cVaultBox: readonly Row[] = [...powers, ...rewriting, ...forging, ...network];
