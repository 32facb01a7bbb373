import type { Archived } from "../shared/find-archived.ts";
import { newToken } from "../shared/names.ts";
import { forbid, need, type Finding } from "../shared/powers.ts";
import type { QueueProbe } from "../shared/s3/event-queue.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";
import type { MoverProbe } from "../shared/s3/mover-probe.ts";

export interface VaultProbed {
  readonly mover: string;
  readonly verify: "checksum" | "readback";
  readonly archived: Archived | null;
}

/** Tries what the vault's key must not be able to do, and what it must. Leaves nothing below `archive/`. */
export async function tryVaultPowers(
  probe: MoverProbe,
  { mover, verify, archived }: VaultProbed,
  signal: AbortSignal,
): Promise<Finding[]> {
  const nobodys = `archive/airlock-check/${newToken()}`;
  const own = `_airlock/probe/${mover}/create-only`;
  const marked = archived?.name ?? own;
  const write = await harmlessWrites(probe, `_airlock/probe/${mover}/altered-md5`, signal);
  const read = verify === "readback" ? need : forbid;
  // where nothing is there, a refusal may hide just that
  const reading = (attempt: Attempt): Attempt =>
    archived === null && attempt.verdict === "denied"
      ? { verdict: "unknown", detail: "nothing is archived yet that it could be tried with" }
      : attempt;
  const readName = archived?.name ?? nobodys;
  return [
    need("put an object below archive/", await write(nobodys, true)),
    need("begin an upload below archive/, and abort it", await probe.beginUpload(nobodys, signal)),
    forbid("overwrite below archive/", explain(await write(nobodys, false))),
    forbid("overwrite the ledger", explain(await write(`_airlock/ledger/${mover}/airlock-check`, false))),
    forbid("put an object elsewhere", await write(`airlock-check/${newToken()}`, true)),
    read("read an archived object", reading(await probe.read(readName, null, signal))),
    ...(archived !== null && archived.versionId === null
      ? []
      : [read("read a version of one", reading(await probe.read(readName, archived?.versionId ?? "null", signal)))]),
    read("ask for an archived object's headers", reading(await probe.head(readName, signal))),
    forbid("list what is archived", await probe.list("archive/", signal)),
    forbid("list its versions", await probe.listVersions("archive/", signal)),
    forbid("delete a version", await probe.deleteVersion(nobodys, signal)),
    forbid("delete in a batch", await probe.deleteBatch(nobodys, "null", signal)),
    forbid("hide an object (delete without a version)", await probe.hide(nobodys, signal)),
    forbid("set, extend or shorten a retention", await probe.markObject("retention", marked, signal)),
    forbid("set or lift a legal hold", await probe.markObject("legal hold", marked, signal)),
    forbid("tag an object", await probe.markObject("tags", marked, signal)),
    forbid("set an object's ACL", await probe.markObject("ACL", marked, signal)),
    forbid("set the bucket's policy", await probe.setBucket("policy", signal)),
    forbid("set the bucket's lifecycle", await probe.setBucket("lifecycle", signal)),
    forbid("set the bucket's versioning", await probe.setBucket("versioning", signal)),
    forbid("set the bucket's Object Lock", await probe.setBucket("object lock", signal)),
    forbid("set the bucket's ACL", await probe.setBucket("ACL", signal)),
  ];
}

export interface DropZoneProbed {
  readonly mover: string;
  /** Any configured host. */
  readonly host: string;
  readonly versioned: boolean;
}

/** The same for the drop-zone's key. What it puts below `_airlock/probe/` it removes. */
export async function tryDropZonePowers(
  probe: MoverProbe,
  { mover, host, versioned }: DropZoneProbed,
  signal: AbortSignal,
): Promise<Finding[]> {
  const nobodys = `${host}/airlock-check/${newToken()}`;
  const own = `_airlock/probe/${mover}/check`;
  const write = await harmlessWrites(probe, `_airlock/probe/${mover}/altered-md5`, signal);
  const { versionId } = await probe.putOwn(own, signal);
  const findings = [
    need("read a host's object", await probe.read(nobodys, null, signal)),
    need("read its tags", await probe.readTags(nobodys, signal)),
    need(
      "release a host's object",
      versioned ? await probe.deleteVersion(nobodys, signal) : await probe.hide(nobodys, signal),
    ),
    ...(versioned ? [forbid("hide an object (delete without a version)", await probe.hide(nobodys, signal))] : []),
    forbid("put an object in a host's place", await write(nobodys, true)),
    forbid("put an object elsewhere", await write(`airlock-check/${newToken()}`, true)),
    forbid("tag an object", await probe.markObject("tags", own, signal)),
    forbid("set an object's ACL", await probe.markObject("ACL", own, signal)),
    forbid("set the bucket's policy", await probe.setBucket("policy", signal)),
    forbid("set the bucket's lifecycle", await probe.setBucket("lifecycle", signal)),
    forbid("set the bucket's versioning", await probe.setBucket("versioning", signal)),
    forbid("set the bucket's notifications", await probe.setBucket("notification", signal)),
    forbid("set the bucket's ACL", await probe.setBucket("ACL", signal)),
  ];
  await probe.removeOwn(own, versionId, signal);
  return findings;
}

/** What the drop-zone's key needs of its queue. Nothing is removed from it, and what is received shows at once again. */
export async function tryQueuePowers(queue: QueueProbe, signal: AbortSignal): Promise<Finding[]> {
  return [
    need("receive events from the queue", await queue.receive(signal)),
    need("delete a message", await queue.remove(signal)),
    need("keep a message hidden", await queue.extend(signal)),
  ];
}

/** A store that takes bytes whose checksum is wrong is not asked to take them anywhere. */
async function harmlessWrites(
  probe: MoverProbe,
  own: string,
  signal: AbortSignal,
): Promise<(key: string, createOnly: boolean) => Promise<Attempt>> {
  if (await probe.refusesWrongBytes(own, signal)) return (key, createOnly) => probe.write(key, createOnly, signal);
  const detail = "the store takes altered bytes, so nothing is tried that it could keep";
  return async () => ({ verdict: "unknown", detail });
}

function explain(attempt: Attempt): Attempt {
  if (attempt.verdict !== "allowed") return attempt;
  return {
    ...attempt,
    detail: "the policy does not insist on If-None-Match, or the store does not know that condition",
  };
}
