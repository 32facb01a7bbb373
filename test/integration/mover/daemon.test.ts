import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { verifyHere } from "../../support/run-here.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";
import { readLedger } from "./craft.ts";
import { startDaemon } from "./daemon.ts";

/** Everything that was ever put is in the vault, once, recorded once, and gone from the drop-zone. */
async function assertMoved(world: World, keys: readonly string[]): Promise<void> {
  assert.deepEqual(await world.listDropZone(), []);
  assert.equal((await world.listVault()).length, keys.length);
  const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
  assert.deepEqual(entries.flatMap(({ source }) => source?.key ?? []).toSorted(), [...keys].toSorted());
  const verified = await verifyHere(world);
  assert.equal(verified.exit, 0, JSON.stringify(verified.printed));
}

describe("the daemon", { concurrency: 2 }, () => {
  test("SIGTERM: what is under way is finished, nothing new is started, exit 0; what was left is moved by the next run", async () => {
    await using world = await startWorld();
    const first = await world.putSigned("web1", randomBytes(1000));
    const second = Promise.withResolvers<string>();
    const daemon = startDaemon(world);
    const underWay = world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      times: 1,
      fault: {
        kind: "hook",
        when: "before",
        run: async () => {
          daemon.process.kill("SIGTERM");
          await daemon.logged("stopping", ({ underWay: moves }) => moves === 1);
          second.resolve((await world.putSigned("web1", randomBytes(1000))).key);
        },
      },
    });
    const ended = await daemon.ended;
    assert.equal(underWay.fired, 1);
    assert.deepEqual([ended.exit, ended.signal], [0, null], ended.stderr);
    assert.deepEqual(
      (await world.listDropZone()).map(({ key }) => key),
      [await second.promise],
    );
    const entries = (await readLedger(world)).flatMap((segment) => segment.entries);
    assert.deepEqual(
      entries.map(({ source, disposition }) => [source?.key, disposition]),
      [[first.key, "archived"]],
    );

    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    await assertMoved(world, [first.key, await second.promise]);
  });

  test("a second SIGTERM stops a hanging move at once, with exit 1; the next run finishes it, once", async () => {
    await using world = await startWorld();
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const hang = world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      fault: { kind: "hang", when: "after" },
    });
    const daemon = startDaemon(world);
    await hang.nextFiring();
    daemon.process.kill("SIGTERM");
    await daemon.logged("stopping");
    const sentAt = performance.now();
    daemon.process.kill("SIGTERM");
    const ended = await daemon.ended;
    assert.ok(performance.now() - sentAt < 9_000, "before the program gives itself up");
    assert.equal(ended.exit, 1);
    assert.match(ended.stderr, /^airlock-mover: interrupted by SIGTERM$/m);
    assert.equal((await world.listDropZone()).length, 1, "what is not recorded is not released");

    hang.remove();
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    await assertMoved(world, [key]);
  });

  test("a second mover in the same state folder is told so: exit 2, and the first goes on", async () => {
    await using world = await startWorld();
    const daemon = startDaemon(world);
    await daemon.logged("started");
    for (const command of [["run", "--once"], ["check"]]) {
      const refused = await world.run("mover", command);
      assert.equal(refused.exit, 2);
      assert.match(
        refused.stderr,
        new RegExp(
          `^airlock-mover: process ${daemon.process.pid} is at work in this folder \\(${world.dir}/state\\)\n  \\S`,
        ),
      );
    }
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await daemon.logged("object-archived", (line) => line.key === key);
    daemon.process.kill("SIGTERM");
    assert.equal((await daemon.ended).exit, 0);
    await assertMoved(world, [key]);
  });

  test("two boxes with one mover's name: the one that comes late stops with exit 5 and names the segment; nothing is lost", async () => {
    await using world = await startWorld();
    const other = join(world.dir, "other.yaml");
    await writeFile(
      other,
      (await readFile(world.moverConfig, "utf8")).replace(/^state: .*$/m, `state: ${join(world.dir, "other-state")}`),
    );
    const daemon = startDaemon(world);
    await daemon.logged("started");
    daemon.process.kill("SIGSTOP"); // its ledger's end is the beginning
    const first = await world.putSigned("web1", randomBytes(1000));
    assert.equal((await world.run("mover", ["--config", other, "run", "--once"])).exit, 0);
    const second = await world.putSigned("web1", randomBytes(1000));
    daemon.process.kill("SIGCONT");
    const ended = await daemon.ended;
    assert.equal(ended.exit, 5, ended.stderr);
    assert.match(
      ended.stderr,
      /^airlock-mover: segment 1 of mover mover-a was written by somebody else \(_airlock\/ledger\/mover-a\/000000000001\.jsonl\)\n  \S/m,
    );
    assert.deepEqual(
      (await world.listDropZone()).map(({ key }) => key),
      [second.key],
    );

    assert.equal((await world.run("mover", ["--config", other, "run", "--once"])).exit, 0);
    await assertMoved(world, [first.key, second.key]);
  });

  test("a store that refuses deletes for a while: recorded once, and released when it no longer does", async () => {
    await using world = await startWorld({ poll: "50ms" });
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const refusal = world.server.faults.add({
      operation: ["DeleteObject", "DeleteObjects"],
      bucket: DROP_ZONE,
      key: /^web1\//,
      fault: { kind: "error", when: "before", status: 403, code: "AccessDenied" },
    });
    const daemon = startDaemon(world);
    const refused = await daemon.logged("release-refused");
    assert.deepEqual([refused.code, refused.key], ["access-denied", key]);
    await daemon.logged("release-refused", (line) => line !== refused);
    assert.equal((await world.listDropZone()).length, 1);
    refusal.remove();
    await daemon.logged("object-archived", (line) => line.key === key);
    daemon.process.kill("SIGTERM");
    assert.equal((await daemon.ended).exit, 0);
    await assertMoved(world, [key]);
  });

  test("status: what the daemon said last, for people and for programs; before it ever ran, what to do", async () => {
    await using world = await startWorld({ hosts: ["web1", "web2"] });
    const never = await world.run("mover", ["status"]);
    assert.equal(never.exit, 2);
    assert.match(
      never.stderr,
      /^airlock-mover: there is no status yet \(.*status\.json\)\n  start the daemon with `airlock-mover run`\n$/,
    );

    const { key, size } = await world.putSigned("web1", randomBytes(1234));
    const daemon = startDaemon(world);
    await daemon.logged("object-archived", (line) => line.key === key);
    daemon.process.kill("SIGTERM");
    assert.equal((await daemon.ended).exit, 0);

    const shown = await world.run("mover", ["status"]);
    assert.equal(shown.exit, 0);
    assert.match(shown.stdout, new RegExp(`^mover +mover-a, process ${daemon.process.pid}, started 20\\d\\d-`, "m"));
    assert.match(shown.stdout, /^ledger +segment 1, 1 entries$/m);
    assert.match(shown.stdout, /^moved +1 objects, 1\.2 KiB since the start; 0 under way$/m);
    assert.match(shown.stdout, /^exposure +p50 \S+, p99 \S+, max \S+$/m);
    assert.match(shown.stdout, /^HOST +OBJECTS +BYTES +LAST ARCHIVED +HELD$/m);
    assert.match(shown.stdout, /^web1 +1 +1\.2 KiB +20\S+Z +-$/m);
    assert.match(shown.stdout, /^web2 +0 +0 B +- +-$/m);

    const json = await world.run("mover", ["--json", "status"]);
    const status = JSON.parse(json.stdout) as {
      objects: number;
      bytes: number;
      hosts: { host: string; lastSet: string | null }[];
      holds: object;
    };
    assert.deepEqual([status.objects, status.bytes, status.holds], [1, size, {}]);
    assert.deepEqual(
      status.hosts.map(({ host, lastSet }) => [host, lastSet]),
      [
        ["web1", "files"],
        ["web2", null],
      ],
    );
  });
});
