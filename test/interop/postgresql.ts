/** A PostgreSQL cluster of its own in a temporary folder, reached by a unix socket alone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, chown, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { requirePrograms, run, unprivileged } from "./support.ts";

export interface Postgresql extends AsyncDisposable {
  /** For libpq's programs: where the server is, and who asks. */
  readonly env: Readonly<Record<string, string>>;
  /** A program's path, of the server's own version. */
  program(name: string): string;
  /** Runs it to its end and gives its output. */
  run(name: string, ...args: string[]): Promise<string>;
  sql(database: string, text: string): Promise<string>;
  /** What a database holds, as text. */
  dumpText(database: string): Promise<string>;
}

const POSTGRESQL_FOLDER = "/usr/lib/postgresql";

/**
 * @param former a data folder to start from, which is taken away; null: a new cluster
 * @param settings further lines of postgresql.conf
 */
export async function startPostgresql(former: string | null = null, settings = ""): Promise<Postgresql> {
  // Debian keeps each version in a folder of its own
  const versions = await readdir(POSTGRESQL_FOLDER).catch(() => []);
  const version = versions.toSorted((one, other) => Number(other) - Number(one))[0] ?? "";
  const program = (name: string): string => join(POSTGRESQL_FOLDER, version, "bin", name);
  await requirePrograms([program("initdb"), "--version"], [program("pg_dump"), "--version"]);

  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "airlock-pg-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const user = await unprivileged();
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const locale = { LC_ALL: "C.UTF-8", PATH: process.env["PATH"] ?? "" };
  if (former === null) {
    const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];
    await run(program("initdb"), initdb, { ...user, cwd: folder, env: locale });
  } else {
    await rename(former, data);
    if (user.uid !== undefined) await run("chown", ["-R", `${user.uid}:${user.gid}`, data]);
  }
  await appendFile(join(data, "postgresql.conf"), settings);

  const server = spawn(
    program("postgres"),
    ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off"],
    { ...user, cwd: folder, env: locale, stdio: ["ignore", "ignore", "pipe"] },
  );
  const ended = once(server, "close");
  stack.defer(async () => {
    server.kill("SIGINT"); // fast shutdown: connections are ended
    await ended;
  });
  const lines: string[] = [];
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: server.stderr }).on("line", (line) => {
      lines.push(line);
      if (line.includes("ready to accept connections")) resolve();
    });
  });
  const failed = ended.then(() => {
    throw new Error(`postgres ended before it was ready: ${lines.slice(-5).join("\n")}`);
  });
  failed.catch(() => undefined); // it also ends when it is told to
  await Promise.race([ready, failed]);

  const env = { ...locale, PGHOST: folder, PGUSER: "postgres" };
  const runIt = async (name: string, ...args: string[]): Promise<string> => {
    const { stdout } = await run(program(name), args, { env, maxBuffer: 1 << 29 });
    return stdout;
  };
  const owned = stack.move();
  return {
    env,
    program,
    run: runIt,
    sql: (database, text) => runIt("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text),
    // a random word guards each plain dump against commands of psql's within the data
    dumpText: async (database) => (await runIt("pg_dump", database)).replaceAll(/^\\(un)?restrict .*$/gm, ""),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
