/**
 * The emergency kit, printed: all that it holds can be read off the page, and a restore needs nothing else. Needs
 * `npm run servers:install`; says what is missing and fails where it is.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { compareTrees } from "../demo/compare-trees.ts";
import { TOOLS } from "../servers/tools.ts";
import { root, startWorld, type World } from "../support/world.ts";
import { startPostgresql, type Postgresql } from "./postgresql.ts";
import { READING_PROGRAMS, readPrintedKit, type PrintedKit } from "./printed-kit.ts";
import { makeIdentity, requirePrograms, RESTORE_PROGRAMS, run, type AgeIdentity } from "./support.ts";

const stack = new AsyncDisposableStack();
let postgresql: Postgresql;
let folder = "";
/** The package as it is published, its programs under their names. */
let programs = "";
let originalDump = "";
let originalTree = "";

before(async () => {
  await requirePrograms(...RESTORE_PROGRAMS, ...READING_PROGRAMS, ["aws", "--version"], ["script", "--version"]);
  folder = await mkdtemp(join(tmpdir(), "airlock-kit-"));
  stack.defer(() => rm(folder, { recursive: true }));
  programs = await buildPrograms(join(folder, "package"));
  postgresql = stack.use(await startPostgresql());
  await postgresql.run("createdb", "shop");
  const sql = join(import.meta.dirname, "shop.sql");
  await postgresql.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "shop", "-f", sql);
  originalDump = await postgresql.dumpText("shop");
  originalTree = join(folder, "tree");
  await makeTree(originalTree);
});
after(() => stack.disposeAsync());

/** `npm run package`, with its dependencies as npm would lay them beside it. */
async function buildPrograms(dist: string): Promise<string> {
  await run(process.execPath, [join(root, "scripts/build-package.ts"), dist]);
  await symlink(join(root, "node_modules"), join(dist, "node_modules"));
  const bin = join(folder, "bin");
  await mkdir(bin);
  const { bin: names } = JSON.parse(await readFile(join(dist, "package.json"), "utf8")) as {
    readonly bin: Readonly<Record<string, string>>;
  }; // what the script writes
  for (const [name, file] of Object.entries(names)) await symlink(join(dist, file), join(bin, name));
  return bin;
}

async function makeTree(tree: string): Promise<void> {
  await mkdir(join(tree, "deep", "er"), { recursive: true });
  await writeFile(join(tree, "small"), "hello\n");
  await writeFile(join(tree, "empty"), "");
  await writeFile(join(tree, "deep", "er", 'naïve "name" 日本'), randomBytes(200_000));
  await writeFile(join(tree, "large"), randomBytes(12_000_000));
  await chmod(join(tree, "small"), 0o640);
}

interface Shell {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** A line as it is typed. `answer` is typed once the program asks, or at once where it does not. */
async function type(line: string, { env, cwd }: Shell, answer = "", asks: RegExp | null = null): Promise<string> {
  const child = spawn("bash", ["-o", "pipefail", "-c", line], { env, cwd, stdio: ["pipe", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdin.on("error", () => undefined); // it may end without reading; its exit code tells whether that was right
  if (asks === null) child.stdin.end(answer);
  child.stdout.on("data", (chunk: Buffer) => {
    const former = stdout;
    stdout += chunk.toString();
    if (asks?.test(stdout) === true && !asks.test(former)) child.stdin.write(answer);
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [exit] = (await once(child, "close")) as [number | null]; // what "close" gives
  assert.equal(exit, 0, `${line}\n${stdout}${stderr}`);
  return stdout;
}

/** Two sets in the vault, moved by the programs of the package, and the kit that they print. */
async function printKit(world: World, identity: AgeIdentity): Promise<PrintedKit> {
  const env = { ...postgresql.env, PATH: `${programs}:${process.env["PATH"]}`, HOME: world.dir };
  const shell = { env, cwd: world.dir };
  const uploader = `airlock-uploader --config ${world.uploaderConfig("web1")}`;
  const dump = `${postgresql.program("pg_dump")} -Fc -Z0 shop`;
  await type(`${uploader} put --set postgres --name shop.dump -- ${dump}`, shell);
  await type(`${uploader} put --set tree ${originalTree}`, shell);
  await type(`airlock-mover --config ${world.moverConfig} run --once`, shell);
  const pdf = join(world.dir, "kit.pdf");
  const made = await type(
    `airlock --config ${world.operatorConfig} kit --out ${pdf} --identity ${identity.file}`,
    shell,
  );
  assert.match(made, /^ {2}opens {8}the newest of web1\/postgres, web1\/tree$/m);
  return readPrintedKit(pdf);
}

/** A machine on which nothing of Airlock's was ever set up. */
async function freshShell(world: World, path: string, printed: PrintedKit): Promise<Shell> {
  const cwd = join(world.dir, "fresh");
  await mkdir(cwd);
  const key = printed.key.map(
    (line) =>
      line
        .replace(/^export /, "")
        .split(/=(.*)/s)
        .slice(0, 2) as [string, string],
  );
  return { cwd, env: { PATH: path, HOME: cwd, LC_ALL: "C.UTF-8", ...Object.fromEntries(key) } };
}

async function assertSameDatabase(dump: string): Promise<void> {
  await postgresql.run("createdb", "restored");
  await postgresql.run("pg_restore", "--exit-on-error", "-d", "restored", dump);
  const restored = await postgresql.dumpText("restored");
  await postgresql.run("dropdb", "restored");
  assert.ok(restored === originalDump, "the restored database differs from the original");
}

test("from nothing but the printed page, Airlock restores a database and a folder", async () => {
  const identity = await makeIdentity(await mkdtemp(join(folder, "identity-")));
  await using world = await startWorld({ recipient: identity.recipient });
  const printed = await printKit(world, identity);
  const shell = await freshShell(world, `${programs}:${process.env["PATH"]}`, printed);
  await writeFile(join(shell.cwd, "operator.yaml"), printed.configuration);
  const answers = [`${printed.identity}\n`, `${printed.words.join(" ")}\n`, `${printed.identity.toLowerCase()}\n`];
  for (const command of printed.commandsOf("Restore with Airlock")) {
    if (!/ (restore|kit) /.test(command)) {
      await type(command, shell);
      continue;
    }
    for (const set of command.includes("web1/postgres") ? ["web1/postgres", "web1/tree"] : [""]) {
      const meant = command.replace("web1/postgres", set);
      // on a terminal, as it asks only there
      const screen = await type(`script -qec '${meant}' /dev/null`, shell, answers.shift(), /not shown\): /);
      assert.ok(!screen.includes(printed.identity) && !screen.includes(printed.words.slice(0, 3).join(" ")), screen);
    }
  }
  assert.equal(answers.length, 0);
  await assertSameDatabase(join(shell.cwd, "restored", "shop.dump"));
  await compareTrees(originalTree, join(shell.cwd, "restored", originalTree.slice(1)));
});

/** What a restore without Airlock may use; everything else is out of reach. */
async function outsiders(): Promise<string> {
  const bin = join(folder, "outsiders");
  await mkdir(bin);
  for (const name of ["zstd", "tar", "sha256sum", "cut", "sort", "grep", "cat", "mkdir", "bash"]) {
    await symlink((await run("which", [name])).stdout.trim(), join(bin, name));
  }
  await symlink(TOOLS.age, join(bin, "age"));
  // may be a script that needs its own interpreter
  const aws = `#!/bin/sh\nPATH='${process.env["PATH"]}' exec aws "$@"\n`;
  await writeFile(join(bin, "aws"), aws, { mode: 0o755 });
  return bin;
}

test("from nothing but the printed page, aws, age, zstd and tar restore a database and a folder", async () => {
  const identity = await makeIdentity(await mkdtemp(join(folder, "identity-")));
  await using world = await startWorld({ recipient: identity.recipient });
  const printed = await printKit(world, identity);
  const shell = await freshShell(world, await outsiders(), printed);
  for (const set of ["web1/postgres", "web1/tree"]) await restoreByHand(printed, shell, set);
  await assertSameDatabase(join(shell.cwd, "shop.dump"));
  await compareTrees(originalTree, join(shell.cwd, "restored", originalTree.slice(1)));
});

/** Line by line as it is printed, for another set than the example where it is another. */
async function restoreByHand(printed: PrintedKit, shell: Shell, set: string): Promise<void> {
  const isFolder = set.endsWith("/tree");
  const stored = isFolder ? "backup.tar.zst.age" : "shop.dump.zst.age";
  let exported = "";
  let newest = "";
  for (const printedLine of printed.commandsOf("Restore without Airlock")) {
    const line = printedLine
      .replace("web1/postgres", set)
      .replace("backup.tar.zst.age", stored)
      .replace("NAME", newest);
    if (/^(export|umask) /.test(line)) {
      exported += `${line}; `;
      continue;
    }
    // of the two ways back to files the one for this kind
    if (line.startsWith("age ") && line.includes("tar -x") !== isFolder) continue;
    const output = await type(exported + line, shell, line.startsWith("cat ") ? `${printed.identity}\n` : "");
    if (line.startsWith("aws s3 ls")) newest = output.trim().split("\n").at(-1)?.split(/ +/).at(-1) ?? "";
    if (line.startsWith("grep")) assert.match(output, /^[0-9a-f]{64}\n/);
  }
}

test("all of a kit can be read off the page, as text and by a scanner", async () => {
  for (const options of [[], ["-pq"]]) {
    const identity = await makeIdentity(await mkdtemp(join(folder, "identity-")), options);
    await using world = await startWorld({ recipient: identity.recipient, hosts: ["web1", "web2", "web3", "web4"] });
    const printed = await printKit(world, identity);
    const secret = /^AGE-SECRET-KEY-.*$/m.exec(await readFile(identity.file, "utf8"))?.[0];
    assert.equal(printed.identity, secret);
    assert.equal(printed.words.length, options.length === 0 ? 24 : 25);
    assert.equal(printed.pages, 2);
    const keyOf = async (name: string): Promise<string> => readFile(join(world.dir, `operator.${name}`), "utf8");
    const exports = [
      `export AWS_ACCESS_KEY_ID=${await keyOf("id")}`,
      `export AWS_SECRET_ACCESS_KEY=${await keyOf("secret")}`,
    ];
    assert.deepEqual(printed.key, exports);
    const codes = [`${exports.join("\n")}\n`, secret, printed.configuration];
    assert.deepEqual(new Set(printed.codes), new Set(codes));
    for (const text of ["SECRET.", world.server.endpoint, "acme-vault", world.server.region, "fingerprint"])
      assert.ok(printed.text.includes(text), text);
    for (const key of world.hostKeys.values()) assert.ok(printed.configuration.includes(key.public.text));
    assert.match(printed.text, /^ +mover-a \d+ [0-9a-f]{64}$/m);
    if (options.length === 0) assert.ok(printed.text.includes(identity.recipient));
  }
});
