/** What has to hold of a world once its mover has come to its end, whatever happened before. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import { vaultNameOf } from "../../../shared/names.ts";
import { verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

const MiB = 1024 * 1024;
/** Just more than crosses in one PUT; made once, since random bytes cost more than anything else here. */
const LARGE = randomBytes(8 * MiB + 1);

export interface Prepared {
  readonly world: World;
  /** Hex SHA-256 by the name that an object has to have in the vault. */
  readonly digests: ReadonlyMap<string, string>;
}

/** `small` crosses in one PUT, its statement in its metadata; `large` in two parts, its statement beside it. */
export type Kind = "small" | "large";

export async function prepare(versioned: boolean, kinds: readonly Kind[] = ["small", "large"]): Promise<Prepared> {
  const world = await startWorld({ versioned, concurrency: 1, poll: "50ms" });
  const stated = new Map<string, string>();
  for (const kind of kinds) {
    const [bytes, options] = kind === "small" ? [randomBytes(10_000)] : [LARGE, { partBytes: 5 * MiB }];
    const { key, sha256 } = await world.putSigned("web1", bytes, options);
    stated.set(key, sha256);
  }
  const digests = new Map<string, string>();
  for (const source of await world.listDropZone()) {
    const sha256 = stated.get(source.key);
    if (sha256 !== undefined) digests.set(vaultNameOf({ bucket: DROP_ZONE, ...source }), sha256);
  }
  assert.equal(digests.size, kinds.length);
  return { world, digests };
}

/** Everything is in the vault once, byte for byte, recorded in a ledger that verifies, and gone from the drop-zone. */
export async function assertWhole({ world, digests }: Prepared): Promise<void> {
  assert.deepEqual(await world.listDropZone(), [], "the drop-zone is empty");
  const archived = await world.listVault();
  assert.deepEqual(
    archived.map(({ key }) => key).toSorted(),
    [...digests.keys()].toSorted(),
    "each source once, under its one name",
  );
  for (const { key } of archived) {
    const digest = createHash("sha256")
      .update(await world.readVault(key))
      .digest("hex");
    assert.equal(digest, digests.get(key), `${key} has the stated digest`);
  }
  const verified = await verifyHere(world);
  assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
}

/** How many uploads lie in the vault that nobody has ended. */
export async function countUploads(world: World): Promise<number> {
  const { Uploads = [] } = await world.vaultOwner.send(new ListMultipartUploadsCommand({ Bucket: VAULT }));
  return Uploads.length;
}

/** Runs the tasks, a few at a time. */
export async function runSome<T>(tasks: readonly T[], atOnce: number, run: (task: T) => Promise<void>): Promise<void> {
  const queue = tasks.values();
  const work = async (): Promise<void> => {
    for (const task of queue) await run(task);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
