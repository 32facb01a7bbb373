/** A MariaDB server of its own in a temporary folder, reached by a unix socket alone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { requirePrograms, run, unprivileged } from "./support.ts";

export interface Mariadb extends AsyncDisposable {
  readonly socket: string;
  sql(text: string): Promise<string>;
  /** What a database holds, as text, without the time at which it was dumped. */
  dumpText(database: string): Promise<string>;
}

export async function startMariadb(): Promise<Mariadb> {
  // Debian has it where only root's PATH looks
  const program = "/usr/sbin/mariadbd";
  await requirePrograms([program, "--version"], ["mariadb", "--version"], ["mariadb-dump", "--version"]);
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "airlock-mariadb-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const user = await unprivileged();
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const install = ["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db"];
  await run("mariadb-install-db", install, { ...user, cwd: folder });
  const socket = join(folder, "socket");
  const settings = ["--skip-networking", `--socket=${socket}`, `--pid-file=${join(folder, "pid")}`];
  const small = ["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"];
  const server = spawn(program, ["--no-defaults", `--datadir=${data}`, ...settings, ...small], {
    ...user,
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(server, "close");
  stack.defer(async () => {
    server.kill("SIGTERM");
    await ended;
  });
  const lines: string[] = [];
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: server.stderr }).on("line", (line) => {
      lines.push(line);
      if (line.includes("ready for connections")) resolve();
    });
  });
  const failed = ended.then(() => {
    throw new Error(`mariadbd ended before it was ready: ${lines.slice(-5).join("\n")}`);
  });
  failed.catch(() => undefined); // it also ends when it is told to
  await Promise.race([ready, failed]);
  const asRoot = ["--no-defaults", `--socket=${socket}`, "--user=root"];
  const owned = stack.move();
  return {
    socket,
    sql: async (text) => (await run("mariadb", [...asRoot, "--batch", "--skip-column-names", "-e", text])).stdout,
    async dumpText(database) {
      const args = [...asRoot, "--skip-dump-date", "--routines", "--events", "--hex-blob", "--databases", database];
      return (await run("mariadb-dump", args, { maxBuffer: 1 << 28 })).stdout;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
