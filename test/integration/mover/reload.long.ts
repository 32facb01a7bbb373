/** SIGHUP: the configuration is read again while the mover works. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { listenForNotifications } from "../../support/notify-socket.ts";
import { DROP_ZONE, startWorld, type World } from "../../support/world.ts";
import { startDaemon, type Daemon, type LogLine } from "./daemon.ts";
import { startWebService } from "./web-service.ts";

/** Writes what `change` makes of the configuration, and has it read. Resolves with what the mover says to it. */
async function reload(
  world: World,
  daemon: Daemon,
  event: "reloaded" | "reload-refused",
  change: (text: string) => string,
): Promise<LogLine> {
  await writeFile(world.moverConfig, change(await readFile(world.moverConfig, "utf8")));
  daemon.process.kill("SIGHUP");
  const line = await daemon.logged(event, (one) => !answers.has(one));
  answers.add(line);
  return line;
}
/** To earlier reloads. */
const answers = new WeakSet<LogLine>();

async function stop(daemon: Daemon): Promise<void> {
  daemon.process.kill("SIGTERM");
  const ended = await daemon.ended;
  assert.equal(ended.exit, 0, ended.stderr);
}

const without = (host: string) => (text: string) =>
  text
    .split("\n")
    .filter((line) => !line.startsWith(`  ${host}:`))
    .join("\n");

describe("SIGHUP", { concurrency: 2 }, () => {
  test("a host that is added is moved from then on, one that is taken out is held; nothing stops meanwhile", async () => {
    await using world = await startWorld({ hosts: ["web1", "web2"], poll: "50ms" });
    const both = await readFile(world.moverConfig, "utf8");
    await writeFile(world.moverConfig, without("web2")(both));
    const daemon = startDaemon(world);
    assert.equal((await daemon.logged("started")).hosts, 1);
    const { key } = await world.putSigned("web2", randomBytes(1000));
    await daemon.logged("alert", ({ kind, host }) => kind === "held" && host === "*");

    const added = await reload(world, daemon, "reloaded", () => both);
    assert.deepEqual([added.level, added.changed, added.ignored], [30, ["hosts"], undefined]);
    await daemon.logged("object-archived", (line) => line.key === key);

    await reload(world, daemon, "reloaded", without("web1"));
    await world.putSigned("web1", randomBytes(1000));
    await daemon.logged(
      "alert",
      ({ kind, host, detail }) => kind === "held" && host === "*" && detail === "host-unknown: 1",
    );
    const other = await world.putSigned("web2", randomBytes(1000));
    await daemon.logged("object-archived", (line) => line.key === other.key);
    await stop(daemon);
    assert.equal((await world.listDropZone()).length, 1);
  });

  test("what was held is looked at again when the host's policy changes", async () => {
    await using world = await startWorld({ poll: "50ms" });
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const Key = "web1/files/2026/11/21/120000Z-aaaaaaaaaaaaaaaaaaaaaaaaaa/unsigned.bin";
    await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key, Body: "x" }));
    await daemon.logged("object-held", ({ code }) => code === "statement-missing");
    await reload(world, daemon, "reloaded", (text) => text.replace(/web1: \{ /, "web1: { signatures: optional, "));
    await daemon.logged("object-archived", (line) => line.key === Key);
    await stop(daemon);
  });

  test("a faulty file keeps the former configuration, and each fault is told with its line", async () => {
    await using world = await startWorld({ poll: "50ms" });
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const good = await readFile(world.moverConfig, "utf8");
    const refused = await reload(world, daemon, "reload-refused", (text) => `${text}\nmemroy: 1GiB\n`);
    assert.equal(refused.code, "config-invalid");
    assert.match(String(refused.reason), /memroy/);
    const unserved = await reload(world, daemon, "reload-refused", () => `${good}\nreport: /tmp/report.html\n`);
    assert.match(String(unserved.reason), /report/);
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await daemon.logged("object-archived", (line) => line.key === key);
    await stop(daemon);
  });

  test("the mover's name, stores and keys stay what they are until a restart, and the log says so", async () => {
    await using world = await startWorld({ poll: "50ms" });
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const reloaded = await reload(world, daemon, "reloaded", (text) =>
      text
        .replace("id: mover-a", "id: mover-b")
        .replace("memory: 96MiB", "memory: 128MiB")
        .replace("concurrency: 16", "concurrency: 8")
        .replace("bucket: acme-vault", "bucket: elsewhere"),
    );
    assert.deepEqual(
      [reloaded.level, reloaded.changed, reloaded.ignored],
      [40, ["concurrency"], ["id", "vault", "memory"]],
    );
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await daemon.logged("object-archived", (line) => line.key === key);
    await stop(daemon);
    const names = (await world.listVault("_airlock/ledger/")).map((version) => version.key);
    assert.ok(names.length > 0 && names.every((name) => name.startsWith("_airlock/ledger/mover-a/")), names.join());
  });

  test("what the stores can't hold is refused as at the start: foreign objects without versions", async () => {
    await using world = await startWorld({ versioned: false });
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const refused = await reload(world, daemon, "reload-refused", (text) =>
      text.replace(/web1: \{ /, "web1: { foreign: true, "),
    );
    assert.equal(refused.code, "store-unsafe");
    await stop(daemon);
  });

  test("an address for alerts that is added is told from then on", async () => {
    await using world = await startWorld({ poll: "50ms" });
    await using service = await startWebService();
    const daemon = startDaemon(world);
    await daemon.logged("started");
    const reloaded = await reload(
      world,
      daemon,
      "reloaded",
      (text) => `${text}\nalerts: { webhook: ["${service.origin}/hook"], heartbeat: "${service.origin}/beat" }\n`,
    );
    assert.deepEqual(reloaded.changed, ["alerts"]);
    await service.visited(({ path }) => path === "/beat");
    await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key: "web1/odd", Body: "x" }));
    await service.visited(({ path }) => path === "/hook");
    await stop(daemon);
  });
});

test("systemd hears when the mover is ready, alive, reading its configuration, and about to end", async () => {
  await using world = await startWorld({ poll: "50ms" });
  await using socket = await listenForNotifications();
  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: "3000000" };
  const daemon = startDaemon(world, ["run"], env);
  await socket.received(/^READY=1$/m);
  await daemon.logged("started");
  await socket.received(/^WATCHDOG=1$/m);
  await socket.received(/^STATUS=0 objects moved, 0 under way, 0 held; ledger at segment \d+$/m);
  daemon.process.kill("SIGHUP");
  const reloading = await socket.received(/^RELOADING=1$/m);
  const [, monotonicUs = ""] = /^MONOTONIC_USEC=(\d+)$/m.exec(reloading) ?? [];
  const elapsedMs = Number(process.hrtime.bigint() / 1000n - BigInt(monotonicUs)) / 1000;
  assert.ok(elapsedMs >= 0 && elapsedMs < 20_000, `${elapsedMs} ms`);
  await daemon.logged("reloaded");
  await stop(daemon);
  await socket.received(/^STOPPING=1$/m);
  const order = socket.messages.flatMap((message) => /^(READY|RELOADING|STOPPING)=1$/m.exec(message)?.[1] ?? []);
  assert.deepEqual(order, ["READY", "RELOADING", "READY", "STOPPING"]);
  const signs = socket.messages.filter((message) => message.includes("WATCHDOG=1"));
  assert.ok(signs.length > 0);
});
