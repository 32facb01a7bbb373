import { newToken } from "../shared/names.ts";
import { forbid, type Finding } from "../shared/powers.ts";
import type { HostProbe } from "../shared/s3/host-probe.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";

export interface OwnObject {
  readonly host: string;
  /** A fresh object of this host's, put a moment ago. */
  readonly key: string;
  readonly body: Uint8Array;
}

/**
 * How often a create-only write may succeed at a name of our own that is there: a mover may have taken the object
 * away, though hardly time and again between two requests.
 */
const MAX_CREATIONS = 3;

/**
 * Tries what a host must not be able to do. Harms nothing: everything is tried at the host's own fresh object, or at
 * names that no one else has; deleting comes last. Writes elsewhere are create-only at a random name, and what remains
 * there is named.
 */
export async function tryPowers(probe: HostProbe, own: OwnObject, signal: AbortSignal): Promise<Finding[]> {
  const { key, body, host } = own;
  const prefix = key.slice(0, key.indexOf("/") + 1);
  const elsewhere = `_airlock-check/${newToken()}`;
  const lookalike = `${host}-airlock-check/${newToken()}`;
  const uploads = await probe.listPartsAndAbort(`${key}.parts`, signal);
  return [
    await createAgain(probe, own, signal),
    forbid("overwrite an object of its own", await probe.overwrite(key, body, signal)),
    forbid("ask for an object's headers", await probe.head(key, signal)),
    forbid("read an object", await probe.get(key, signal)),
    forbid("copy an object", await probe.copy(key, `${key}.copy`, signal)),
    forbid("list objects", await probe.list(prefix, signal)),
    forbid("list versions", await probe.listVersions(prefix, signal)),
    forbid("list uploads", await probe.listUploads(prefix, signal)),
    forbid("list an upload's parts", uploads.listParts),
    forbid("abort an upload", uploads.abort),
    forbid("tag an object", await probe.putTags(key, signal)),
    forbid("set an object's ACL", await probe.putAcl(key, signal)),
    forbid("set an object's retention", await probe.putRetention(key, signal)),
    forbid("set the bucket's policy", await probe.setBucket("policy", signal)),
    forbid("write outside its prefix", leftBehind(elsewhere, await probe.create(elsewhere, body, signal))),
    forbid(
      "write under a prefix that begins like its own",
      leftBehind(lookalike, await probe.create(lookalike, body, signal)),
    ),
    forbid("delete a version", await probe.deleteVersion(key, signal)),
    forbid("delete in a batch", await probe.deleteBatch(key, signal)),
    forbid("delete an object", await probe.delete(key, signal)),
  ];
}

/** "Already there" is a refusal too, here: nothing was overwritten. */
async function createAgain(probe: HostProbe, { key, body }: OwnObject, signal: AbortSignal): Promise<Finding> {
  const power = "create an object that is there";
  for (let creations = 1; ; creations++) {
    const attempt = await probe.create(key, body, signal);
    if (attempt.verdict !== "allowed")
      return { power, expected: "denied", got: attempt.verdict, isExcess: false, detail: attempt.detail };
    if (creations < MAX_CREATIONS) continue;
    const detail = "the store accepts If-None-Match and ignores it: any object can be overwritten";
    return { power, expected: "denied", got: "allowed", isExcess: true, detail };
  }
}

function leftBehind(key: string, attempt: Attempt): Attempt {
  if (attempt.verdict !== "allowed") return attempt;
  return { ...attempt, detail: `it wrote ${key}, which this key can't remove; delete it with another` };
}
