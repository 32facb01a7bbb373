import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startWorld, VAULT } from "../../support/world.ts";
import { startDaemon } from "./daemon.ts";
import { socketsOf } from "./sockets.ts";
import { startWebService } from "./web-service.ts";

test("no socket of the daemon's can be reached, says the kernel, while it lists, moves, beats and tells", async () => {
  await using world = await startWorld({ poll: "50ms" });
  await using service = await startWebService();
  await appendFile(
    world.moverConfig,
    `alerts: { heartbeat: "${service.origin}/beat", webhook: ["${service.origin}/hook"] }\nmetrics: { textfile: ${join(world.dir, "airlock.prom")} }\n`,
  );
  const daemon = startDaemon(world);
  await service.visited(({ path }) => path === "/beat");
  const { pid = 0 } = daemon.process;
  for (let move = 0; move < 3; move++) {
    const hook = Promise.withResolvers<Awaited<ReturnType<typeof socketsOf>>>();
    world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      times: 1,
      fault: { kind: "hook", when: "before", run: async () => hook.resolve(await socketsOf(pid)) },
    });
    const { key } = await world.putSigned("web1", randomBytes(1000));
    const sockets = await hook.promise;
    assert.ok(
      sockets.some(({ protocol }) => protocol === "tcp"),
      "the very connection that this request came over is seen",
    );
    assert.deepEqual(
      sockets.filter(({ isOpen }) => isOpen),
      [],
    );
    await daemon.logged("object-archived", (line) => line.key === key);
  }
  daemon.process.kill("SIGTERM");
  assert.equal((await daemon.ended).exit, 0);
});

test("what the kernel is asked would show a listening socket of any kind: this process's own", async () => {
  const tcp = createServer().listen(0, "127.0.0.1");
  const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
  const tcp6 = hasIpv6 ? [createServer().listen(0, "::1")] : [];
  const path = join(tmpdir(), `airlock-${randomBytes(6).toString("hex")}.sock`);
  const unix = createServer().listen(path);
  const udp = createSocket("udp4").bind(0, "127.0.0.1");
  await Promise.all([tcp, ...tcp6, unix, udp].map((server) => once(server, "listening")));
  const open = (await socketsOf(process.pid)).filter(({ isOpen }) => isOpen).map(({ protocol }) => protocol);
  for (const server of [tcp, ...tcp6, unix, udp]) server.close();
  assert.deepEqual(open.toSorted(), ["tcp", ...(hasIpv6 ? ["tcp6"] : []), "udp", "unix"]);
});
