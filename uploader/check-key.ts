import { newToken } from "../shared/names.ts";
import type { Finding } from "../shared/powers.ts";
import { openHostProbe } from "../shared/s3/host-probe.ts";
import { tryPowers } from "./check-powers.ts";
import { CHECK_SET, type UploaderConfig } from "./config.ts";
import type { PublishContext } from "./publish-context.ts";
import { publish } from "./publish.ts";

/** What a host's key proved to be able to do. */
export interface KeyProof {
  /** Of the object that was put to try it. */
  readonly key: string;
  readonly findings: readonly Finding[];
  /** What it can do and should not. */
  readonly excess: readonly Finding[];
}

/** What the key must be able to do is done for real, what it must not is tried, without harm. */
export async function proveKey(config: UploaderConfig, context: PublishContext): Promise<KeyProof> {
  await using probe = await openHostProbe(config.dropZone);
  const body = Buffer.from(`airlock-uploader check ${newToken()}\n`);
  const startedAt = new Date(context.timing.now());
  // Signed and moved like any other; when it can't be put, there is nothing else to learn.
  const source = { set: CHECK_SET, name: "check.txt", encoding: [], startedAt, expectedBytes: body.length };
  const own = await publish({ ...source, isRepeatable: true, open: () => once(body) }, context);
  const findings: Finding[] = [
    { power: "create an object of its own", expected: "allowed", got: "allowed", isExcess: false, detail: own.key },
    ...(await tryPowers(probe, { host: config.host, key: own.key, body }, context.signal)),
  ];
  return { key: own.key, findings, excess: findings.filter((finding) => finding.isExcess) };
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield body;
}
