/** What operators see of the daemon without being able to reach it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { z } from "zod";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";
import { readLedger } from "./craft.ts";
import { startDaemon } from "./daemon.ts";
import { startWebService, type Visit } from "./web-service.ts";

const statusLine = z.looseObject({ updatedAt: z.string(), objects: z.number() });

const SECRET = "s3cret-token";

async function stop(daemon: ReturnType<typeof startDaemon>): Promise<string> {
  daemon.process.kill("SIGTERM");
  const ended = await daemon.ended;
  assert.equal(ended.exit, 0, ended.stderr);
  return ended.stderr;
}

/** Samples by name and labels, as Prometheus reads them; anything that it would not read fails. */
function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || /^# (HELP|TYPE) airlock_[a-z_]+ /.test(line)) continue;
    const match = /^(airlock_[a-z_]+(?:\{(?:[a-z]+="[^"\\\n]*",?)+\})?) (-?[0-9.e+-]+|\+Inf)$/.exec(line);
    assert.ok(match !== null, `not a sample: ${line}`);
    assert.ok(!samples.has(match[1] ?? ""), `twice: ${line}`);
    samples.set(match[1] ?? "", Number(match[2]));
  }
  return samples;
}

function alertOf({ body }: Visit): Readonly<Record<string, unknown>> {
  return JSON.parse(body) as Readonly<Record<string, unknown>>; // the mover posts objects
}

describe("what operators see", { concurrency: 2 }, () => {
  test("metrics: a file that Prometheus reads, whole, readable by others, with the run's own figures at the end", async () => {
    await using world = await startWorld({ hosts: ["web1", "web2"], hostOptions: "expect: { files: { every: 2h } }" });
    const textfile = join(world.dir, "metrics", "airlock.prom");
    await appendFile(world.moverConfig, `metrics: { textfile: ${textfile} }\n`);
    const folderMissing = await world.run("mover", ["run", "--once"]);
    assert.equal(folderMissing.exit, 0, "figures that can't be written keep nothing from being moved");
    assert.match(folderMissing.stderr, /"event":"metrics-failed"/);

    await mkdir(join(world.dir, "metrics"));
    const objects = [randomBytes(1000), randomBytes(2000), randomBytes(50_000)];
    for (const bytes of objects) await world.putSigned("web1", bytes);
    const before = Date.now() / 1000;
    await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key: "nobody/x", Body: "x" }));
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);

    assert.equal((await stat(textfile)).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(join(world.dir, "metrics")), ["airlock.prom"]);
    const metrics = parseMetrics(await readFile(textfile, "utf8"));
    assert.equal(metrics.get('airlock_objects_total{host="web1",set="files"}'), 3);
    assert.equal(metrics.get('airlock_bytes_total{host="web1",set="files"}'), 53_000);
    assert.equal(metrics.get("airlock_exposure_seconds_count"), 3);
    assert.equal(metrics.get('airlock_exposure_seconds_bucket{le="+Inf"}'), 3);
    assert.equal(metrics.get('airlock_held_objects{host="*",reason="host-unknown"}'), 1);
    assert.ok((metrics.get('airlock_store_requests_total{store="vault",outcome="2xx"}') ?? 0) >= 3);
    assert.equal(metrics.get('airlock_store_requests_total{store="drop-zone",outcome="5xx"}'), 0);
    assert.equal(metrics.get('airlock_overdue{host="web1",set="files"}'), 0);
    assert.ok((metrics.get('airlock_last_success_timestamp_seconds{host="web1",set="files"}') ?? 0) >= before - 2);
    assert.equal(metrics.get('airlock_last_success_timestamp_seconds{host="web2",set="files"}'), 0, "never");
    assert.equal(metrics.get("airlock_ledger_entries"), (await readLedger(world)).flatMap((one) => one.entries).length);
    assert.ok((metrics.get("airlock_resident_memory_bytes") ?? 0) > 2 ** 20);
    assert.ok((metrics.get("airlock_last_sweep_timestamp_seconds") ?? 0) >= before);
    for (const name of ["moves_under_way", "backlog_waiting", "backlog_to_retry", "memory_used_bytes"]) {
      assert.equal(metrics.get(`airlock_${name}`), 0, name);
    }

    const restarted = await world.run("mover", ["run", "--once"]);
    assert.equal(restarted.exit, 0);
    const after = parseMetrics(await readFile(textfile, "utf8"));
    assert.equal(
      after.get('airlock_last_success_timestamp_seconds{host="web1",set="files"}'),
      metrics.get('airlock_last_success_timestamp_seconds{host="web1",set="files"}'),
      "the ledger remembers",
    );
  });

  test("status --watch: each new status as it comes, until Ctrl-C, which is a good end", async () => {
    await using world = await startWorld({ poll: "50ms" });
    const watching = world.start("mover", ["--json", "status", "--watch"]);
    const { stdout } = watching.process;
    assert.ok(stdout !== null);
    const lines = createInterface(stdout)[Symbol.asyncIterator]();
    const next = async () => statusLine.parse(JSON.parse(String((await lines.next()).value)));
    const daemon = startDaemon(world); // the other one waits for its first word
    const first = await next();
    const { key } = await world.putSigned("web1", randomBytes(1000));
    await daemon.logged("object-archived", (line) => line.key === key);
    let latest = await next();
    assert.ok(latest.updatedAt > first.updatedAt);
    while (latest.objects === 0) latest = await next();
    assert.equal(latest.objects, 1);
    watching.process.kill("SIGINT");
    const { exit, stderr } = await watching.ended;
    assert.deepEqual([exit, stderr], [0, ""]);
    await stop(daemon);
  });

  test("heartbeat: beats once sweeps go well, and not before", async () => {
    await using world = await startWorld({ poll: "50ms" });
    await using service = await startWebService();
    await appendFile(world.moverConfig, `alerts: { heartbeat: "${service.origin}/${SECRET}" }\n`);
    const refusal = world.server.faults.add({
      operation: ["ListObjectVersions", "ListObjectsV2"],
      bucket: DROP_ZONE,
      nth: 3, // what the probe lists is let through
      times: Infinity,
      fault: { kind: "error", when: "before", status: 503, code: "SlowDown" },
    });
    const daemon = startDaemon(world);
    const first = await daemon.logged("sweep-failed");
    await daemon.logged("sweep-failed", (line) => line !== first);
    assert.deepEqual(service.visits, []);
    refusal.remove();
    const beat = await service.visited(() => true);
    assert.deepEqual(beat, { method: "GET", path: `/${SECRET}`, body: "" });
    const stderr = await stop(daemon);
    assert.equal(service.visits.length, 1, "not more than once a minute");
    assert.doesNotMatch(stderr, new RegExp(SECRET));
  });

  test("webhooks: each address is told of what is held, repeated if need be, and no log has an address", async () => {
    await using world = await startWorld({ poll: "50ms" });
    await using works = await startWebService();
    await using fails = await startWebService();
    fails.status = 503;
    const addresses = [works, fails].map(({ origin }) => `"${origin}/${SECRET}"`).join(", ");
    await appendFile(world.moverConfig, `alerts: { webhook: [${addresses}] }\n`);
    const daemon = startDaemon(world);
    await daemon.logged("started");
    await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key: "web1/odd", Body: "x" }));
    const visit = await works.visited(() => true);
    assert.deepEqual([visit.method, visit.path], ["POST", `/${SECRET}`]);
    const { at, firstAt, ...alert } = alertOf(visit);
    assert.ok(typeof at === "string" && Math.abs(Date.parse(at) - Date.now()) < 60_000 && firstAt === at);
    assert.deepEqual(alert, {
      v: 1,
      text: "airlock mover-a: held, web1",
      mover: "mover-a",
      kind: "held",
      host: "web1",
      set: null,
      detail: "form-invalid: 1",
      count: 1,
    });
    await fails.visited(() => true);
    fails.status = 200;
    await fails.visited((other) => fails.visits.indexOf(other) > 0);
    assert.deepEqual(
      fails.visits.map(({ body }) => body),
      fails.visits.map(() => visit.body),
    );
    assert.doesNotMatch(await stop(daemon), new RegExp(SECRET));
    assert.equal(works.visits.length, 1);
  });

  test("a run that ends at once has told what it had to tell; a mover that halts says so", async () => {
    await using world = await startWorld();
    await using service = await startWebService();
    await appendFile(world.moverConfig, `alerts: { webhook: ["${service.origin}/${SECRET}"] }\n`);
    await world.putSigned("web1", randomBytes(100));
    await world.dropZoneOwner.send(new PutObjectCommand({ Bucket: DROP_ZONE, Key: "web1/odd", Body: "x" }));
    assert.equal((await world.run("mover", ["run", "--once"])).exit, 0);
    assert.deepEqual(
      service.visits.map((visit) => alertOf(visit).kind),
      ["held"],
    );
    await world.putSigned("web1", randomBytes(100));
    world.server.faults.add({
      operation: "PutObject",
      bucket: VAULT,
      key: /^archive\//,
      fault: { kind: "error", when: "before", status: 404, code: "NoSuchBucket" },
    });
    const halted = await world.run("mover", ["run", "--once"]);
    assert.equal(halted.exit, 2);
    const told = service.visits.map(alertOf).find(({ kind }) => kind === "halted");
    assert.match(String(told?.detail), /^bucket-missing: /);
    assert.doesNotMatch(halted.stderr, new RegExp(SECRET));
  });

  test("a drop-zone whose clock is a minute behind: exposure is what it really was", async () => {
    const startedAt = Date.now();
    await using world = await startWorld({ clock: () => Date.now() - 60_000 });
    await world.putSigned("web1", randomBytes(100));
    const ran = await world.run("mover", ["run", "--once"]);
    assert.equal(ran.exit, 0);
    const [entry] = (await readLedger(world)).flatMap(({ entries }) => entries);
    const elapsedMs = Date.now() - startedAt;
    assert.ok(elapsedMs < 50_000, "or this says nothing");
    assert.equal(entry?.exposureFrom, "object");
    assert.ok((entry.exposureMs ?? Infinity) <= elapsedMs + 3_000, `${entry.exposureMs} ms`);
    assert.match(ran.stderr, /clock is 6\d s ahead of the store's/);
  });

  test("uploads that a killed mover left in the vault a day ago are ended; a host's in the drop-zone are told of", async () => {
    let aheadMs = -25 * 3_600_000;
    await using world = await startWorld({ clock: () => Date.now() + aheadMs, signingClock: Date.now });
    const begin = (client: World["vaultOwner"], Bucket: string, Key: string): Promise<unknown> =>
      client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await begin(world.vaultOwner, VAULT, "archive/web1/files/~0/old");
    await begin(world.vaultOwner, VAULT, "archive/web9/files/~0/another-movers");
    await begin(world.vaultOwner, VAULT, "elsewhere/x");
    await begin(world.dropZoneOwner, DROP_ZONE, "web1/files/old");
    aheadMs = 0;
    await begin(world.vaultOwner, VAULT, "archive/web1/files/~0/young");
    const daemon = startDaemon(world);
    const aborted = await daemon.logged("upload-aborted");
    assert.equal(aborted.key, "archive/web1/files/~0/old");
    const unfinished = await daemon.logged("uploads-unfinished");
    assert.deepEqual([unfinished.count, unfinished.key], [1, "web1/files/old"]);
    await stop(daemon);
    const keysOf = async (client: World["vaultOwner"], Bucket: string): Promise<(string | undefined)[]> =>
      ((await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).map(({ Key }) => Key);
    assert.deepEqual(await keysOf(world.vaultOwner, VAULT), [
      "archive/web1/files/~0/young",
      "archive/web9/files/~0/another-movers",
      "elsewhere/x",
    ]);
    assert.deepEqual(await keysOf(world.dropZoneOwner, DROP_ZONE), ["web1/files/old"]);
  });
});
