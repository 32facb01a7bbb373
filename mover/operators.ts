/** Carries out what operators ask for: lets a held object in despite the reason, or removes it for good. */
import { AirlockError, CODES, isAirlockError, toAirlockError, type Code } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { objectOfStatement } from "../shared/names.ts";
import type { Timing } from "../shared/retry.ts";
import type { DropZoneSource, ListPage, StoredVersion } from "../shared/stores.ts";
import { admitName, findStatement, hostOf, OWN_PREFIX, type Claim } from "./admit.ts";
import { idOf } from "./backlog.ts";
import { findingEntry } from "./books.ts";
import type { HostPolicy } from "./config.ts";
import type { LedgerWriter } from "./ledger-writer.ts";
import { sourceOf } from "./move.ts";
import type { Releaser } from "./release.ts";
import type { Action, RequestBox, Result } from "./requests.ts";

/** Of 1,000 versions and delete markers of one key each. */
const MAX_PAGES = 10;
const SHOWN = 10;
/** A key may hold an @ too; beyond this many it has to be named without a version. */
const MAX_SPLITS = 8;

/** What the daemon knows of a version, and has to be told. */
export interface HoldDesk {
  /** Why it is held; null: it is not. */
  reasonOf(version: StoredVersion): Code | null;
  /** The next sweep starts it, whatever is said against it. */
  override(version: StoredVersion): void;
  /** From here to one of the next two nothing else is begun with it. */
  begin(version: StoredVersion): void;
  left(version: StoredVersion): void;
  failed(version: StoredVersion, error: AirlockError): void;
}

export interface OperatorTools {
  readonly dropZone: DropZoneSource;
  readonly ledger: LedgerWriter;
  readonly releaser: Releaser;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly timing: Timing;
  readonly log: Log;
  readonly desk: HoldDesk;
}

export async function serveOperators(box: RequestBox, tools: OperatorTools, signal: AbortSignal): Promise<void> {
  for (const { id, request } of await box.take()) {
    const results: Result[] = [];
    for (const asked of request.keys) {
      const result = await carryOut(request.action, asked, tools, signal);
      const { outcome, object, reason } = result;
      tools.log.info("operator-request", { action: request.action, key: object ?? asked, outcome, reason });
      results.push(result);
    }
    await box.answer(id, results);
  }
}

async function carryOut(action: Action, asked: string, tools: OperatorTools, signal: AbortSignal): Promise<Result> {
  const refuse = (message: string, object: string | null = null, reason: string | null = null): Result => {
    return { asked, outcome: "refused", object, reason, message };
  };
  try {
    const found = await findVersions(asked, tools.dropZone, signal);
    if (found.length === 0) return refuse("there is no such object in the drop-zone");
    const held = found.flatMap((version) => {
      const reason = tools.desk.reasonOf(version);
      return reason === null || version.key.startsWith(OWN_PREFIX) ? [] : [{ version, reason }];
    });
    const [first] = held;
    if (first === undefined) return refuse("it is not held, or is being looked at just now", idOf(found[0] ?? never()));
    if (held.length > 1) {
      const names = held.slice(0, SHOWN).map(({ version }) => idOf(version));
      return refuse(`${held.length} versions of it are held: name one, such as ${names.join(" or ")}`);
    }
    const { version, reason } = first;
    const object = idOf(version);
    if (action === "discard") {
      await discard(version, reason, tools, signal);
      return { asked, outcome: "discarded", object, reason, message: null };
    }
    if (objectOfStatement(version.key) !== null) return refuse("it is a statement and no object", object, reason);
    if (reason === "object-unreadable") return refuse("the mover can't read it, whoever lets it in", object, reason);
    tools.desk.override(version);
    return { asked, outcome: "admitted", object, reason, message: null };
  } catch (thrown) {
    const error = toAirlockError(thrown);
    if (CODES[error.code].reaction === "halt") throw error;
    return refuse(`${error.code}: ${error.message}`);
  }
}

/** Recorded first, as everything that leaves: with its statement where that verifies, so that its number is no hole. */
async function discard(version: StoredVersion, reason: Code, tools: OperatorTools, signal: AbortSignal): Promise<void> {
  const { dropZone, ledger, releaser, timing, log, desk } = tools;
  desk.begin(version);
  try {
    const claim = await findClaim(version, tools, signal);
    await ledger.append(
      findingEntry([], timing.now(), {
        disposition: "discarded-by-operator",
        source: sourceOf(version, dropZone.bucket, new Map()),
        statement: claim?.signed.statement ?? null,
        signature: claim?.signed.signature ?? null,
        hostKey: claim?.signer.id ?? null,
        findings: [{ code: reason }],
      }),
    );
    await releaser.release([version], signal);
    if (claim !== null && claim.beside.length > 0) await releaser.release(claim.beside, signal);
    desk.left(version);
  } catch (thrown) {
    desk.failed(version, toAirlockError(thrown));
    throw thrown;
  }
  const { key, versionId, sizeBytes: bytes } = version;
  log.warn("object-discarded", { host: hostOf(key), key, versionId, bytes, reason });
}

async function findClaim(
  version: StoredVersion,
  { dropZone, hosts }: OperatorTools,
  signal: AbortSignal,
): Promise<Claim | null> {
  if (objectOfStatement(version.key) !== null) return null;
  try {
    const eligible = admitName(version, hosts);
    const opened = await dropZone.openVersion(version, null, signal);
    try {
      return await findStatement(eligible, version, opened, dropZone, null, signal);
    } finally {
      opened.close();
    }
  } catch (thrown) {
    if (isAirlockError(thrown) && CODES[thrown.code].reaction === "hold") return null; // that is why it is held
    throw thrown;
  }
}

/** All versions of a key, or the one that `KEY@VERSION` names; an ETag stands for a missing version id. */
async function findVersions(
  asked: string,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): Promise<readonly StoredVersion[]> {
  const whole = await listVersions(asked, dropZone, signal);
  if (whole.length > 0) return whole;
  let at = asked.lastIndexOf("@");
  for (let split = 0; split < MAX_SPLITS && at > 0; split++) {
    const found = (await listVersions(asked.slice(0, at), dropZone, signal)).find((one) => idOf(one) === asked);
    if (found !== undefined) return [found];
    at = asked.lastIndexOf("@", at - 1);
  }
  return [];
}

async function listVersions(
  key: string,
  dropZone: DropZoneSource,
  signal: AbortSignal,
): Promise<readonly StoredVersion[]> {
  const found: StoredVersion[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page: ListPage = await dropZone.listPage({ prefix: key, cursor, limit: 1000, signal });
    const versions = page.versions.filter((version) => version.key === key);
    found.push(...versions);
    // the shortest key with this prefix sorts first
    cursor = versions.length < page.versions.length ? null : page.next;
    if (cursor === null) return found;
  }
  if (found.length > 0) return found;
  throw new AirlockError("request-invalid", "more delete markers lie on this name than are looked at", {
    subject: key,
  });
}

function never(): never {
  throw new AirlockError("unexpected", "a list that is not empty has a first element");
}
