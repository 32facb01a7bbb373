/** The database recipes of docs/recipes.md against real servers of the test's own. Needs `npm run servers:install`. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { until } from "../servers/processes.ts";
import { startMariadb } from "./mariadb.ts";
import { startPostgresql } from "./postgresql.ts";
import { openBench, recipe, watchUntilTaken } from "./recipes.ts";
import { startRedis } from "./redis.ts";
import { requirePrograms, run } from "./support.ts";

test("PostgreSQL: dumped by a role that may only read, restored with Airlock and without", async () => {
  await using postgresql = await startPostgresql();
  await using bench = await openBench([dirname(postgresql.program("psql"))]);
  const { env } = postgresql;
  const at = "PostgreSQL";
  await postgresql.run("createdb", "shop");
  await postgresql.run("psql", "-X", "-q", "-d", "shop", "-f", join(import.meta.dirname, "shop.sql"));
  await postgresql.sql("shop", recipe(at, "sql", "CREATE ROLE"));
  await postgresql.sql("shop", recipe(at, "sql", "LARGE OBJECT"));
  await bench.store(recipe(at, "yaml", "pg_dump"), env);

  // what is left of the machine: a cluster without database and roles
  await postgresql.sql("postgres", "ALTER DATABASE shop RENAME TO original");
  const original = await postgresql.dumpText("original");
  await bench.shell(recipe(at, "sh", "# with Airlock\nairlock restore web1/postgres-globals"), env);
  assert.ok((await postgresql.dumpText("shop")) === original, "with Airlock it differs");
  await postgresql.run("dropdb", "shop");
  assert.equal(await bench.fetch("web1", "shop"), "shop.dump.zst.age");
  await bench.shell(recipe(at, "sh", "# without Airlock"), env);
  assert.ok((await postgresql.dumpText("shop")) === original, "without Airlock it differs");
});

test("PostgreSQL: a base backup and the log since then are the database as it was last", async () => {
  await using bench = await openBench();
  const at = "PostgreSQL";
  const spool = join(bench.folder, "spool");
  await mkdir(join(spool, "partial"), { recursive: true });
  await mkdir(join(spool, "wal"));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await bench.shell("chown -R nobody spool && chmod 755 .");
  const settings = recipe(at, "conf", "archive_command", [{ what: "/var/spool/airlock", by: spool }]);
  await using postgresql = await startPostgresql(null, settings);
  const env = { ...postgresql.env, PATH: `${dirname(postgresql.program("psql"))}:${process.env["PATH"] ?? ""}` };
  await postgresql.run("createdb", "shop");
  await postgresql.run("psql", "-X", "-q", "-d", "shop", "-f", join(import.meta.dirname, "shop.sql"));
  await postgresql.sql("postgres", "CREATE ROLE backup LOGIN REPLICATION");
  const sets = recipe(at, "yaml", "pg_basebackup");
  await bench.store(sets.replace(/^ {2}postgres-wal.*$/m, ""), env);

  await postgresql.sql("shop", "INSERT INTO texts SELECT 'later', i::text FROM generate_series(1, 1000) AS i");
  const original = await postgresql.dumpText("shop");
  const last = (await postgresql.sql("shop", "SELECT pg_walfile_name(pg_switch_wal())")).trim();
  const archived = `SELECT last_archived_wal >= '${last}' FROM pg_stat_archiver`;
  assert.ok(await until(async () => (await postgresql.sql("shop", archived)).trim() === "t", 60_000));
  assert.deepEqual(await readdir(join(spool, "partial")), []);
  const watch = sets.replace(/^ {2}postgres-base:\n( {4}.*\n)+/m, "").replace("/var/spool/airlock", spool);
  await watchUntilTaken(bench, watch.replace("after: delete", "after: delete, settle: 100ms"), join(spool, "wal"));

  await bench.shell(recipe(at, "sh", "mkdir -m 700 data"));
  await bench.shell(recipe(at, "sh", "recovery.signal"));
  assert.ok((await readdir(join(bench.folder, "wal"))).includes(last));
  if (isRoot) await bench.shell("chown -R nobody wal");
  const recovery = `archive_mode = off\nrestore_command = 'cp ${bench.folder}/wal/%f %p'\n`;
  await using restored = await startPostgresql(join(bench.folder, "data"), recovery);
  assert.ok((await restored.dumpText("shop")) === original, "it differs");
});

test("MariaDB: dumped by a user that may only read, restored with Airlock and without", async () => {
  await using mariadb = await startMariadb();
  await using bench = await openBench();
  const at = "MariaDB, MySQL";
  // Debian's own file names another socket, and is read after the environment
  const home = `[client]\nsocket=${mariadb.socket}\n[mariadb-client]\nuser=root\n`;
  await writeFile(join(bench.folder, ".my.cnf"), home);
  const password = { what: "PASSWORD", by: "a-password" };
  const options = join(bench.folder, "mariadb.cnf");
  await writeFile(options, recipe(at, "conf", "[client]", [password]), { mode: 0o600 });
  const env = { HOME: bench.folder };
  await mariadb.sql(await readFile(join(import.meta.dirname, "shop-mariadb.sql"), "utf8"));
  await mariadb.sql(recipe(at, "sql", "CREATE USER", [password]));
  await bench.store(recipe(at, "yaml", "mariadb-dump", [{ what: "/etc/airlock/mariadb.cnf", by: options }]), env);
  const original = await mariadb.dumpText("shop");
  await mariadb.sql("DROP DATABASE shop");
  await bench.shell(recipe(at, "sh", "# with Airlock"), env);
  assert.equal(await mariadb.dumpText("shop"), original);
  await mariadb.sql("DROP DATABASE shop");
  assert.equal(await bench.fetch("web1", "shop"), "shop.sql.zst.age");
  await bench.shell(recipe(at, "sh", "# without Airlock"), env);
  assert.equal(await mariadb.dumpText("shop"), original);
});

test("Redis: a snapshot by a user that may only replicate, read by the server again", async () => {
  await using bench = await openBench();
  const at = "Redis, Valkey";
  await using redis = await startRedis();
  await redis.command("SET", "text", "naïve");
  await redis.command("HSET", "hash", "one", "1", "two", "2");
  await redis.command("RPUSH", "list", ...Array.from({ length: 5000 }, (_, index) => `item ${index}`));
  await redis.command("SET", "noise", "x", "EX", "100000");
  const [, ...acl] = recipe(at, "redis", "SETUSER", [{ what: "PASSWORD", by: "a-password" }])
    .trim()
    .split(" ");
  await redis.command("ACL", ...acl);
  const sets = recipe(at, "yaml", "redis-cli", [{ what: "[redis-cli,", by: `[redis-cli, -s, ${redis.socket},` }]);
  await bench.store(sets, { REDISCLI_AUTH: "a-password" });
  const original = await redis.content();
  await bench.shell(recipe(at, "sh", "# with Airlock"));
  const restored = async (): Promise<unknown> => {
    await using again = await startRedis(join(bench.folder, "dump.rdb"));
    return await again.content(); // before the server ends
  };
  assert.deepEqual(await restored(), original);
  await bench.shell("rm dump.rdb");
  const name = await bench.fetch("web1", "redis");
  const byHand = recipe(at, "sh", "# without Airlock");
  await bench.shell(
    name === "dump.rdb.age" ? byHand : byHand.replace("dump.rdb.age >", "dump.rdb.zst.age | zstd -d >"),
  );
  assert.deepEqual(await restored(), original);
});

test("SQLite: a database that is written to all the while is copied in one consistent state", async () => {
  await requirePrograms(["sqlite3", "--version"]);
  await using bench = await openBench();
  const at = "SQLite";
  const database = join(bench.folder, "live.db");
  const setUp = "PRAGMA journal_mode=WAL; CREATE TABLE a(n INTEGER); CREATE TABLE b(n INTEGER);";
  await run("sqlite3", [database, setUp]);
  const rows =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) INSERT INTO a SELECT n FROM c;";
  await run("sqlite3", [database, `BEGIN; ${rows} INSERT INTO b SELECT n FROM a; COMMIT;`]);
  // each transaction adds to both tables or to none
  const script = `while :; do echo "BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT;"; done | sqlite3 -cmd '.timeout 60000' "$0"`;
  const writer = spawn("sh", ["-c", script, database], { stdio: "ignore", detached: true });
  const sets = recipe(at, "yaml", "commands:", [
    { what: "/var/lib/app/app.db", by: database },
    { what: "/var/backups/app.db", by: join(bench.folder, "copy.db") },
  ]);
  try {
    await bench.store(sets);
  } finally {
    process.kill(-(writer.pid ?? 0), "SIGKILL");
  }
  assert.match(await bench.shell(recipe(at, "sh", "# with Airlock")), /\nok\n$/);
  assert.equal(await bench.fetch("web1", "app"), "app.db.zst.age");
  assert.equal(await bench.shell(recipe(at, "sh", "# without Airlock")), "ok\n");
  const count = `SELECT (SELECT count(*) FROM a) >= 20000, (SELECT count(*) FROM a) = (SELECT count(*) FROM b)`;
  for (const file of ["app.db", "restored/app.db"]) {
    assert.equal((await run("sqlite3", [join(bench.folder, file), count])).stdout, "1|1\n", file);
  }
});
