import assert from "node:assert/strict";
import { mkdir, readdir, readFile, watch, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { openSetState } from "../../../uploader/set-state.ts";
import { openState } from "../../../uploader/state.ts";
import { DROP_ZONE, type World } from "../../support/world.ts";
import { assertSequenceWhole, readDropZone } from "./drop-zone.ts";
import { eventsOf, startHost, startReceiver, waitForEvent } from "./sets.ts";

const dump = (script: string): string => JSON.stringify(["sh", "-c", script]);
const YEARLY = "0 0 1 1 *";

/** As if the agent had worked it out, and had then been away. */
function plan(world: World, set: string, due: Date): void {
  const at = { bucket: DROP_ZONE, host: "web1", owner: ownerOf(process.pid) };
  using state = openState({ spoolFolder: join(world.dir, "web1.spool"), ...at });
  const sets = openSetState({ database: state.database, ...at });
  sets.writePlan(set, { due, made: due, schedule: `${YEARLY} UTC` });
}

const yearly = (script: string, more = ""): string =>
  `{ schedule: "${YEARLY}", timeZone: UTC, command: ${dump(script)}${more} }`;

describe("airlock-uploader run", { concurrency: 2 }, () => {
  it("makes up at its start for what it missed, once, and checks its key", async () => {
    await using world = await startHost(`  shop: ${yearly("echo a dump")}\n  idle: ${yearly("echo never")}`);
    const missed = new Date(Date.now() - 3 * 86_400_000);
    plan(world, "shop", missed);
    const agent = world.start("uploader", ["run"]);
    const begun = await waitForEvent(agent, ({ event }) => event === "run-begun");
    assert.deepEqual([begun.set, begun.planned], ["shop", missed.toISOString()]);
    await waitForEvent(agent, ({ event }) => event === "run-done");
    await waitForEvent(agent, ({ event }) => event === "check-done");
    const status = JSON.parse((await world.run("uploader", ["--json", "status"])).stdout) as Status;
    assert.equal(status.agent?.pid, agent.process.pid);
    const thisYear = new Date().getUTCFullYear();
    for (const set of ["shop", "idle"])
      assert.equal(status.sets.find((one) => one.set === set)?.nextRun, `${thisYear + 1}-01-01T00:00:00.000Z`, set);
    agent.process.kill("SIGTERM");
    const ended = await agent.ended;
    assert.equal(ended.exit, 0, ended.stderr);
    assert.deepEqual(
      eventsOf(ended.stderr).filter(({ event }) => event === "failed" || event === "run-failed"),
      [],
    );
    const content = await readDropZone(world);
    assert.deepEqual(content.objects.map(({ statement }) => statement.set).toSorted(), ["check", "shop"]);
    assertSequenceWhole(content);
  });

  it("takes files as they come, and removes them when they are stored", async () => {
    await using world = await startHost(`  logs: { watch: "WATCHED", after: delete, settle: 300ms }`);
    const folder = join(world.dir, "watched");
    await mkdir(folder);
    const config = world.uploaderConfig("web1");
    await rewrite(config, "WATCHED", folder);
    const agent = world.start("uploader", ["run"]);
    await waitForEvent(agent, ({ event }) => event === "started");
    await writeFile(join(folder, "a.log"), "some lines");
    await waitForEvent(agent, ({ event, set }) => event === "run-done" && set === "logs");
    agent.process.kill("SIGTERM");
    assert.equal((await agent.ended).exit, 0);
    assert.deepEqual(await readdir(folder), []);
    const { objects } = await readDropZone(world);
    assert.equal(objects.find(({ statement }) => statement.set === "logs")?.body.toString(), "some lines");
  });

  it("keeps what it has made while the store is away, and sends it when it is back", async () => {
    await using receiver = await startReceiver();
    await using world = await startHost(
      `  shop: ${yearly("echo a dump", `, notify: { success: "${receiver.origin}/ok" }`)}`,
    );
    plan(world, "shop", new Date(Date.now() - 1000));
    await world.server.goDown();
    const agent = world.start("uploader", ["run"]);
    await waitForEvent(agent, ({ event }) => event === "spool-held");
    const status = await world.run("uploader", ["status"]);
    assert.match(status.stdout, /spool +1 waiting/);
    assert.deepEqual(receiver.told, []);
    await world.server.comeUp();
    await waitForEvent(agent, ({ event }) => event === "run-done");
    agent.process.kill("SIGTERM");
    assert.equal((await agent.ended).exit, 0);
    assert.deepEqual(
      receiver.told.map(({ path }) => path),
      ["/ok"],
    );
  });

  it("ends a command when it is told to end, and runs the set again at the next start", async () => {
    await using world = await startHost(
      `  slow: ${yearly("test -e FLAG && echo done && exit; touch FLAG; echo x; sleep 600")}`,
    );
    await rewrite(world.uploaderConfig("web1"), "FLAG", join(world.dir, "flag"));
    const missed = new Date(Date.now() - 1000);
    plan(world, "slow", missed);
    const agent = world.start("uploader", ["run"]);
    await waitForEvent(agent, ({ event }) => event === "run-begun");
    await waitForFile(world.dir, "flag");
    agent.process.kill("SIGTERM");
    const ended = await agent.ended;
    assert.equal(ended.exit, 0, ended.stderr);
    const failed = eventsOf(ended.stderr).find(({ event }) => event === "run-failed");
    assert.equal(failed?.code, "interrupted");
    const again = world.start("uploader", ["run"]);
    const begun = await waitForEvent(again, ({ event }) => event === "run-begun");
    assert.equal(begun.planned, missed.toISOString());
    await waitForEvent(again, ({ event }) => event === "run-done");
    again.process.kill("SIGTERM");
    await again.ended;
    const { objects } = await readDropZone(world);
    assert.deepEqual(
      objects.filter(({ statement }) => statement.set === "slow").map(({ body }) => body.toString()),
      ["done\n"],
    );
  });

  it("tells of a key that can do too much", async () => {
    await using receiver = await startReceiver();
    await using world = await startHost("  {}", `notify: { failure: "${receiver.origin}/fail" }\n`);
    world.dropZoneAccount.setUserPolicies("web1", {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "s3:*", Resource: ["arn:aws:s3:::*"] }],
    });
    const agent = world.start("uploader", ["run"]);
    const checked = await waitForEvent(agent, ({ event }) => event === "check-done");
    assert.equal(checked.code, "excess-power");
    agent.process.kill("SIGTERM");
    assert.equal((await agent.ended).exit, 0);
    assert.match(receiver.told[0]?.body ?? "", /excess-power/);
    assert.match((await world.run("uploader", ["status"])).stdout, /check: excess-power: this host's key can do more/);
  });

  it("is one agent in a spool folder", async () => {
    await using world = await startHost("  {}");
    const agent = world.start("uploader", ["run"]);
    await waitForEvent(agent, ({ event }) => event === "started");
    const second = await world.run("uploader", ["run"]);
    assert.equal(second.exit, 2);
    assert.match(second.stderr, new RegExp(`process ${agent.process.pid} `));
    agent.process.kill("SIGKILL");
    await agent.ended;
    const third = world.start("uploader", ["run"]);
    await waitForEvent(third, ({ event }) => event === "started");
    third.process.kill("SIGTERM");
    assert.equal((await third.ended).exit, 0);
  });
});

async function rewrite(file: string, from: string, to: string): Promise<void> {
  await writeFile(file, (await readFile(file, "utf8")).replaceAll(from, to));
}

async function waitForFile(folder: string, name: string): Promise<void> {
  const stop = new AbortController();
  const changes = watch(folder, { signal: stop.signal });
  const look = async (): Promise<boolean> => (await readdir(folder)).includes(name);
  if (await look()) return stop.abort();
  for await (const _ of changes) if (await look()) return;
}

interface Status {
  readonly agent: { readonly pid: number } | null;
  readonly sets: readonly { readonly set: string; readonly nextRun: string | null }[];
}
