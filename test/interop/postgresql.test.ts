/**
 * A real PostgreSQL database, dumped, moved and restored, with Airlock and without. Needs `npm run servers:install`;
 * says what is missing and fails where it is.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readDropZone } from "../integration/uploader/drop-zone.ts";
import { until } from "../servers/processes.ts";
import { TOOLS } from "../servers/tools.ts";
import { startWorld, type Ran, type Running, type World } from "../support/world.ts";
import { startListener } from "./listener.ts";
import { startPostgresql, type Postgresql } from "./postgresql.ts";
import {
  fetchObject,
  makeIdentity,
  requirePrograms,
  RESTORE_PROGRAMS,
  runPipeline,
  type AgeIdentity,
} from "./support.ts";

const stack = new AsyncDisposableStack();
let folder = "";
let postgresql: Postgresql;
let identity: AgeIdentity;
let original = "";

before(async () => {
  await requirePrograms(...RESTORE_PROGRAMS);
  folder = await mkdtemp(join(tmpdir(), "airlock-interop-"));
  stack.defer(() => rm(folder, { recursive: true }));
  identity = await makeIdentity(folder);
  postgresql = stack.use(await startPostgresql());
  await postgresql.run("createdb", "shop");
  await postgresql.run(
    "psql",
    "-X",
    "-q",
    "-v",
    "ON_ERROR_STOP=1",
    "-d",
    "shop",
    "-f",
    join(import.meta.dirname, "shop.sql"),
  );
  original = await postgresql.dumpText("shop");
  assert.equal((await postgresql.sql("shop", "SELECT count(*) FROM orders")).trim(), "50000");
  await makeEndless();
});
after(() => stack.disposeAsync());

async function ran(running: Promise<Ran>): Promise<string> {
  const { exit, stdout, stderr } = await running;
  assert.equal(exit, 0, stderr);
  return stdout;
}

/** The agent's own check of its key puts something, too: in the set `check`. */
const DUMPS = "archive/web1/postgres/";

/** Moves what is there, and gives the vault name of the only dump. */
async function move(world: World): Promise<string> {
  await ran(world.run("mover", ["run", "--once"]));
  const [object, ...others] = await world.listVault(DUMPS);
  assert.ok(object !== undefined && others.length === 0);
  return object.key;
}

/** Restores by hand: fetched by another S3 client, then what the README says. */
async function restoreByHand(world: World, name: string, database: string): Promise<void> {
  const stored = join(world.dir, "fetched");
  await fetchObject(world, name, stored);
  await postgresql.run("createdb", database);
  const restore = '"$1" -d -i "$2" "$3" | zstd -d | "$4" --exit-on-error -h "$5" -U postgres -d "$6"';
  const pgRestore = [postgresql.program("pg_restore"), postgresql.env["PGHOST"] ?? "", database];
  await runPipeline(restore, TOOLS.age, identity.file, stored, ...pgRestore);
}

/** Restores with `airlock restore`, then pg_restore. */
async function restoreWithAirlock(world: World, database: string): Promise<void> {
  const to = join(world.dir, "restored");
  await mkdir(to, { recursive: true });
  await ran(world.run("operator", ["restore", "web1/postgres", "--to", to, "--identity", identity.file]));
  await postgresql.run("createdb", database);
  await postgresql.run("pg_restore", "--exit-on-error", "-d", database, join(to, "shop.dump"));
}

async function assertSame(database: string): Promise<void> {
  const restored = await postgresql.dumpText(database);
  // not `equal`: the difference of two large texts says nothing and takes minutes
  assert.ok(restored === original, `${database} differs from the original`);
  await postgresql.run("dropdb", database);
}

/** Puts these lines below the configuration of `web1`. */
async function writeConfig(world: World, ...lines: readonly string[]): Promise<string[]> {
  const file = join(world.dir, "uploader.yaml");
  await writeFile(file, `${await readFile(world.uploaderConfig("web1"), "utf8")}\n${lines.join("\n")}\n`);
  return ["--config", file];
}

/** The set as the recipe has it, of the server's own version. */
function setOf(schedule: string, ...options: readonly string[]): string {
  const command = [postgresql.program("pg_dump"), "-Fc", "-Z0", ...options];
  return `sets: { postgres: { schedule: "${schedule}", command: ${JSON.stringify(command)}, name: shop.dump } }`;
}

async function assertRestores(world: World): Promise<void> {
  const name = await move(world);
  assert.match(name, /shop\.dump\.zst\.age$/);
  await restoreWithAirlock(world, "with_airlock");
  await assertSame("with_airlock");
  await restoreByHand(world, name, "by_hand");
  await assertSame("by_hand");
}

test("a database that `run-set` dumped is the same after a restore, with Airlock and without", async () => {
  await using world = await startWorld({ recipient: identity.recipient });
  const config = await writeConfig(world, setOf("15 2 * * *", "shop"));
  await ran(world.run("uploader", [...config, "run-set", "postgres"], { env: postgresql.env }));
  await assertRestores(world);
});

test("a database that the agent dumped by schedule is the same after a restore, with Airlock and without", async () => {
  await using world = await startWorld({ recipient: identity.recipient });
  await using listener = await startListener();
  const notify = `notify: { success: "${listener.address}/success", failure: "${listener.address}/failure" }`;
  const config = await writeConfig(world, setOf("* * * * *", "shop"), "jitter: 0s", notify);
  const agent = world.start("uploader", [...config, "run"], { env: postgresql.env });
  const told = await listener.next(120_000);
  agent.process.kill("SIGTERM");
  const { exit, stderr } = await agent.ended;
  assert.equal(exit, 0, stderr);
  assert.equal(told?.path, "/success", stderr);
  await assertRestores(world);
});

/** A database whose dump stops in the middle of a table, for as long as anybody waits. */
async function makeEndless(): Promise<void> {
  await postgresql.run("createdb", "endless");
  await postgresql.sql(
    "endless",
    `CREATE TABLE rows AS SELECT i, repeat(md5(i::text), 40) AS text FROM generate_series(1, 50000) AS i;
     CREATE ROLE dumper LOGIN;
     GRANT SELECT ON rows TO dumper;
     ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
     CREATE POLICY stop ON rows TO dumper USING (CASE WHEN i = 25000 THEN pg_sleep(600) IS NOT NULL ELSE true END);`,
  );
}

const DUMP_ENDLESSLY = ["-Fc", "-Z0", "-U", "dumper", "--enable-row-security", "endless"];
const IS_STUCK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event = 'PgSleep'";

/** Kills the pg_dump of that uploader once half of the dump is written. */
async function killDump(uploader: Running["process"]): Promise<void> {
  assert.ok(await until(async () => (await postgresql.sql("endless", IS_STUCK)).trim() === "1", 90_000));
  // proc(5): the children of a process, by the thread that made them
  const children = await readFile(`/proc/${uploader.pid}/task/${uploader.pid}/children`, "utf8");
  const pids = children.trim().split(" ").map(Number);
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, "utf8")));
  const pid = pids[names.indexOf("pg_dump\n")];
  assert.ok(pid !== undefined, `pg_dump is not among ${names.join()}`);
  process.kill(pid, "SIGKILL");
  await postgresql.sql("endless", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dumper'");
}

/** Nothing that looks like a backup is in the drop-zone, and nothing of it comes to the vault. */
async function assertNothingStored(world: World): Promise<void> {
  const { objects } = await readDropZone(world);
  assert.deepEqual(
    objects.filter(({ statement }) => statement.set !== "check"),
    [],
  );
  await ran(world.run("mover", ["run", "--once"]));
  assert.deepEqual(await world.listVault(DUMPS), []);
}

function assertFailed({ exit, stdout, stderr }: Ran): void {
  assert.equal(exit, 1, stderr);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }; // what --json promises for errors
  assert.equal(error.code, "command-failed");
  assert.match(error.message, /SIGKILL/);
}

test("pg_dump killed half-way: `put` fails, and nothing that looks like a backup is stored", async () => {
  await using world = await startWorld({ recipient: identity.recipient });
  const args = ["--json", "put", "--set", "postgres", "--", postgresql.program("pg_dump"), ...DUMP_ENDLESSLY];
  const running = world.start("uploader", args, { env: postgresql.env });
  await killDump(running.process);
  assertFailed(await running.ended);
  await assertNothingStored(world);
});

test("pg_dump killed half-way: `run-set` fails, its failure is told, and nothing that looks like a backup is stored", async () => {
  await using world = await startWorld({ recipient: identity.recipient });
  await using listener = await startListener();
  const notify = `notify: { success: "${listener.address}/success", failure: "${listener.address}/failure" }`;
  const config = await writeConfig(world, setOf("15 2 * * *", ...DUMP_ENDLESSLY), notify);
  const running = world.start("uploader", [...config, "--json", "run-set", "postgres"], { env: postgresql.env });
  await killDump(running.process);
  const told = await listener.next(30_000);
  assert.equal(told?.path, "/failure");
  assert.match(told.body, /command-failed[\s\S]*SIGKILL|SIGKILL[\s\S]*command-failed/);
  assertFailed(await running.ended);
  await assertNothingStored(world);
});

test("pg_dump killed half-way: the agent tells of it and goes on, and nothing that looks like a backup is stored", async () => {
  await using world = await startWorld({ recipient: identity.recipient });
  await using listener = await startListener();
  const notify = `notify: { success: "${listener.address}/success", failure: "${listener.address}/failure" }`;
  const config = await writeConfig(world, setOf("* * * * *", ...DUMP_ENDLESSLY), "jitter: 0s", notify);
  const agent = world.start("uploader", [...config, "run"], { env: postgresql.env });
  await killDump(agent.process);
  const told = await listener.next(30_000);
  assert.equal(told?.path, "/failure");
  assert.equal(agent.process.exitCode, null);
  agent.process.kill("SIGTERM");
  const { exit, stderr } = await agent.ended;
  assert.equal(exit, 0, stderr);
  await assertNothingStored(world);
});
