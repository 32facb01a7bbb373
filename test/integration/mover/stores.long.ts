/** Stores that do not keep their promises: refused at start-up, with the reason and the remedy, before anything moves. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import type { StoredVersion } from "../../../shared/stores.ts";
import type { FaultRule } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

interface Lie {
  readonly what: string;
  readonly unversioned?: true;
  readonly rules: readonly FaultRule[];
  /** What `run` says, and what to do. */
  readonly message: RegExp;
}

const done = (status: number, headers: Record<string, string> = {}): FaultRule["fault"] => ({
  kind: "replace",
  when: "before",
  status,
  headers,
});

const LIES: readonly Lie[] = [
  {
    what: "a vault that takes If-None-Match and overwrites all the same",
    rules: [{ operation: "PutObject", bucket: VAULT, key: /create-only$/, fault: done(200, { etag: '"0"' }) }],
    message:
      /\n {2}vault: PutObject with If-None-Match overwrites what is there: .*\n {4}use a store that honours If-None-Match/,
  },
  {
    what: "a vault that completes uploads over what is there",
    rules: [
      {
        operation: "CompleteMultipartUpload",
        bucket: VAULT,
        fault: {
          kind: "replace",
          when: "before",
          status: 200,
          body: "<CompleteMultipartUploadResult><Key>k</Key><ETag>&quot;0-1&quot;</ETag></CompleteMultipartUploadResult>",
        },
      },
    ],
    message: /\n {2}vault: CompleteMultipartUpload with If-None-Match overwrites what is there: /,
  },
  {
    what: "a drop-zone whose deletes are answered and not done",
    rules: [{ operation: "DeleteObject", bucket: DROP_ZONE, fault: done(204) }],
    message: /deletes are answered as done and are not done.*\n {2}use a store that deletes what it says it deletes/,
  },
  {
    what: "an unversioned drop-zone that ignores conditional deletes, with foreign objects to move",
    unversioned: true,
    rules: [{ operation: "DeleteObject", bucket: DROP_ZONE, times: 1, fault: done(204) }],
    message:
      /\n {2}drop-zone: the bucket keeps no versions: a foreign object that is overwritten before it is moved would be lost\n {4}turn on versioning for the drop-zone, or set `foreign: false`/,
  },
];

describe("a store that does not keep its promises", () => {
  let worlds: { readonly versioned: World; readonly unversioned: World };
  before(async () => {
    worlds = {
      versioned: await startWorld(),
      unversioned: await startWorld({ versioned: false, hostOptions: "foreign: true" }),
    };
    for (const world of Object.values(worlds)) {
      await world.putSigned("web1", randomBytes(100));
      // the probe's own object is there from now on
      assert.notEqual((await world.run("mover", ["check"])).exit, null);
    }
  });
  after(() => Promise.all(Object.values(worlds).map((world) => world[Symbol.asyncDispose]())));

  for (const { what, unversioned, rules, message } of LIES) {
    test(`${what}: run and check exit with 2, and nothing moves`, async () => {
      const world = unversioned ? worlds.unversioned : worlds.versioned;
      const stored = await world.listDropZone();
      const lie = (): void => {
        world.server.faults.clear();
        for (const rule of rules) world.server.faults.add({ ...rule, principal: /user\/mover$/ });
      };
      lie();
      const ran = await world.run("mover", ["run", "--once"]);
      assert.equal(ran.exit, 2, ran.stderr);
      assert.match(ran.stderr, message);
      // what was not deleted, and would now be deleted in a batch
      world.server.faults.clear();
      for (const { key: Key, versionId: VersionId } of (await world.listDropZone()).filter(({ key }) =>
        key.startsWith("_airlock/"),
      )) {
        await world.dropZoneOwner.send(
          new DeleteObjectCommand({ Bucket: DROP_ZONE, Key, ...(VersionId === null ? {} : { VersionId }) }),
        );
      }
      lie();
      const checked = await world.run("mover", ["check"]);
      assert.equal(checked.exit, 2, checked.stdout + checked.stderr);
      world.server.faults.clear();
      assert.deepEqual(await world.listVault(), []);
      const isHosts = ({ key }: StoredVersion): boolean => key.startsWith("web1/");
      assert.deepEqual((await world.listDropZone()).filter(isHosts), stored.filter(isHosts));
    });
  }
});
