import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectServiceManager } from "../../../mover/service-manager.ts";
import { silentLog, type Log } from "../../../shared/log.ts";
import { listenForNotifications } from "../../support/notify-socket.ts";

const { PATH } = process.env;

function watchedLog(): { readonly failures: string[]; readonly log: Log } {
  const failures: string[] = [];
  const log: Log = {
    ...silentLog,
    failure: (event, error) => failures.push(`${event} ${error.code}: ${error.message}`),
  };
  return { failures, log };
}

describe("the service manager", { concurrency: 2 }, () => {
  test("hears of readiness, reloads and the end, in that order", async () => {
    await using socket = await listenForNotifications();
    const { failures, log } = watchedLog();
    const manager = connectServiceManager({ env: { PATH, NOTIFY_SOCKET: socket.path }, pid: 1, log });
    manager.ready();
    manager.reloading(123_456_789n);
    manager.ready();
    manager.stopping();
    await manager.close();
    await socket.received(/STOPPING/);
    assert.deepEqual(failures, []);
    assert.deepEqual(
      socket.messages.map((message) => message.trim()),
      ["READY=1", "RELOADING=1\nMONOTONIC_USEC=123456789", "READY=1", "STOPPING=1"],
    );
  });

  test("gets a sign of life thrice in the watchdog's time, and a changed status every ten seconds", async () => {
    await using socket = await listenForNotifications();
    const env = { PATH, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: "60000000", WATCHDOG_PID: "77" };
    const manager = connectServiceManager({ env, pid: 77, log: silentLog });
    for (let second = 0; second <= 45; second++) {
      manager.alive(second < 30 ? "quiet" : "busy", second * 1000);
      await manager.close();
    }
    await socket.received(/busy/);
    assert.deepEqual(
      socket.messages.map((message) => message.trim().replace("\n", " ")),
      ["WATCHDOG=1 STATUS=quiet", "WATCHDOG=1 STATUS=quiet", "WATCHDOG=1 STATUS=busy"],
    );
  });

  test("gets its sign of life also when the clock is set back a day", async () => {
    await using socket = await listenForNotifications();
    const env = { PATH, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: "60000000", WATCHDOG_PID: "77" };
    const manager = connectServiceManager({ env, pid: 77, log: silentLog });
    for (const nowMs of [86_400_000, 1000]) {
      manager.alive("quiet", nowMs);
      await manager.close();
    }
    manager.stopping();
    await socket.received(/STOPPING/);
    assert.equal(socket.messages.filter((message) => message.includes("WATCHDOG=1")).length, 2);
  });

  test("a watchdog that is another process's gets no signs of life from this one", async () => {
    await using socket = await listenForNotifications();
    const env = { PATH, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: "60000000", WATCHDOG_PID: "78" };
    const manager = connectServiceManager({ env, pid: 77, log: silentLog });
    manager.alive("quiet", 0);
    await manager.close();
    assert.equal((await socket.received(/./)).trim(), "STATUS=quiet");
  });

  test("that nobody listens, or there is no systemd-notify, is said once and stops nothing", async () => {
    const nowhere = await mkdtemp(join(tmpdir(), "airlock-notify-"));
    for (const [path, message] of [
      [PATH, "systemd-notify could not deliver a message"],
      [nowhere, "there is no program systemd-notify"],
    ] as const) {
      const { failures, log } = watchedLog();
      const env = { PATH: path, NOTIFY_SOCKET: join(nowhere, "socket") };
      const manager = connectServiceManager({ env, pid: 1, log });
      manager.ready();
      manager.stopping();
      await manager.close();
      assert.deepEqual(failures, [`service-manager-unreachable command-failed: ${message}`]);
    }
    await rm(nowhere, { recursive: true });
  });

  test("where none asked for it, nothing is started", async () => {
    const { failures, log } = watchedLog();
    const manager = connectServiceManager({ env: { PATH: "" }, pid: 1, log });
    manager.ready();
    manager.alive("quiet", 0);
    await manager.close();
    assert.deepEqual(failures, []);
  });
});
