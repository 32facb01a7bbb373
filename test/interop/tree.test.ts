/**
 * A folder that was restored is the folder that was stored, as rsync compares them: with all attributes that GNU tar
 * keeps. Needs `npm run servers:install` (rsync, setfattr, setfacl); run as root it has more to compare, and restores
 * as another user as well.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  link,
  lchown,
  lutimes,
  mkdir,
  open,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { canRun } from "../servers/run-program.ts";
import { root, startWorld, type Ran, type World } from "../support/world.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
/** Owns nothing here and has no rights beyond its own. */
const SOMEBODY = 12_345;
const FILES = 100_000;

let world: World;
let original: string;
before(async () => {
  for (const program of ["rsync", "setfattr", "setfacl", "mkfifo", "touch", "tar"]) {
    if (!(await canRun(program, ["--version"]))) {
      throw new Error(`${program} is missing: run npm run servers:install`);
    }
  }
  world = await startWorld();
  original = join(world.dir, "tree");
});
after(async () => {
  await run("chmod", ["-R", "u+rwX", world.dir]); // only root can remove what is in a read-only folder
  await world[Symbol.asyncDispose]();
});

/** All that a tree can have and that files of everyday use don't. */
async function makeTree(tree: string): Promise<void> {
  await mkdir(tree);
  const at = (...names: readonly string[]): string => join(tree, ...names);
  for (const folder of ["d", "empty", "acl", "ro", "sgid", "sticky", "odd\nname"]) await mkdir(at(folder));
  await writeFile(at("plain"), "hello");
  await link(at("plain"), at("hard1"));
  await link(at("plain"), at("d", "hard2"));
  await symlink("nowhere", at("dangling"));
  await symlink("/etc/hostname", at("absolute"));
  await symlink("y".repeat(900), at("long-link"));
  await link(at("dangling"), at("hard-link-of-a-link"));
  await run("mkfifo", [at("fifo")]);
  await writeFile(at("x".repeat(255)), "a long name");
  await writeFile(at("ü".repeat(127)), "254 bytes of UTF-8");
  await writeFile(
    Buffer.concat([Buffer.from(`${tree}/`), Buffer.from("6261640fff0afe", "hex")]),
    "a name that is no UTF-8",
  );
  await symlink(Buffer.from([0xe9]), Buffer.concat([Buffer.from(`${tree}/l`), Buffer.from([0xe9])]));
  await makeSparse(at("sparse"), 50_000_000);
  await makeSparse(at("hole"), null);
  await link(at("sparse"), at("d", "sparse"));
  const deep = at(...Array<string>(12).fill("p".repeat(200)));
  await mkdir(deep, { recursive: true });
  await makeSparse(join(deep, "sparse"), 5_000_000);
  await writeFile(join(deep, "leaf"), "deep");
  await link(join(deep, "leaf"), join(deep, "leaf2"));
  await addAttributes(tree, deep);
  await writeFile(at("sgid", "inherits"), "");
  await writeFile(at("ro", "file"), "");
  await writeFile(at("no-mode"), "");
  await writeFile(at("setuid"), "");
  await writeFile(at("owned"), "");
  if (isRoot) await addWhatRootMay(tree);
  for (const [name, mode] of [
    ["sgid", 0o2750],
    ["sticky", 0o1777],
    ["setuid", 0o6755],
    ["no-mode", 0o000],
  ] as const) {
    await chmod(at(name), mode);
  }
  if (isRoot) await run("setfattr", ["-n", "security.capability", "-v", CAP_NET_RAW, at("owned")]);
  // A user who is not root could not read what it may not; root can.
  if (!isRoot) await chmod(at("no-mode"), 0o400);
  const times = {
    plain: "2001-02-03 04:05:06.123456789",
    dangling: "1999-12-31 23:59:59.999999999",
    owned: "1960-01-01 00:00:00.5",
    setuid: "2100-01-01 00:00:00.000000001",
    "no-mode": "1970-01-01 00:00:00",
    fifo: "2020-01-01 01:01:01.000000001",
    acl: "2020-01-01 01:01:01.100000000",
    ro: "2020-01-01 01:01:01.000001",
  };
  for (const [name, time] of Object.entries(times)) {
    await run("touch", ["--no-dereference", "--date", `${time} UTC`, at(name)]);
  }
  await chmod(at("ro"), 0o500);
  await lutimes(at("d"), 1_000_000_000.25, 1_000_000_000.25);
}

/** VFS_CAP_REVISION_2 with CAP_NET_RAW permitted. linux/capability.h */
const CAP_NET_RAW = "0x0100000200200000000000000000000000000000";

async function addAttributes(tree: string, deep: string): Promise<void> {
  const set = async (name: string, value: string, path: string): Promise<unknown> =>
    run("setfattr", ["-n", `user.${name}`, "-v", value, path]);
  await set("comment", "hi there", join(tree, "plain"));
  await set("binary", "0x000aff3d", join(tree, "plain"));
  await set("of a folder=", "x", join(tree, "d"));
  await set("deep", "1", join(deep, "leaf"));
  const acl = join(tree, "acl");
  await run("setfacl", ["-m", "u:games:rwx,g:daemon:r", acl]);
  await run("setfacl", ["-d", "-m", "u:games:rwx,u:54321:r", acl]);
  await writeFile(join(acl, "inherits"), "");
  await mkdir(join(acl, "inherits-all"));
  // What lies there without an ACL of its own must not inherit one when it is restored.
  await writeFile(join(acl, "none"), "");
  await mkdir(join(acl, "bare"));
  await run("setfacl", ["-b", "-k", join(acl, "none"), join(acl, "bare")]);
  await chmod(join(acl, "none"), 0o600);
}

async function addWhatRootMay(tree: string): Promise<void> {
  await chown(join(tree, "owned"), 1234, 4321);
  await chown(join(tree, "setuid"), 1, 2);
  await lchown(join(tree, "dangling"), 3, 4);
  await run("setfattr", ["-n", "trusted.airlock", "-v", "y", join(tree, "plain")]);
}

/** @param at where its one byte is; null: all of it is a hole */
async function makeSparse(path: string, at: number | null): Promise<void> {
  const file = await open(path, "wx");
  await file.truncate(60_000_000);
  if (at !== null) await file.write("x", at);
  await file.close();
}

/** @throws {assert.AssertionError} listing what rsync would change to make one of the other: contents, modes, times to the nanosecond, links, ACLs, attributes, owners */
async function assertSame(expected: string, restored: string, ...options: readonly string[]): Promise<void> {
  const args = ["-aHAXnc", "--modify-window=-1", "--numeric-ids", "--delete", "--itemize-changes", ...options];
  const { stdout } = await run("rsync", [...args, `${expected}/`, `${restored}/`], { maxBuffer: 64 * 1024 * 1024 });
  assert.equal(stdout.slice(0, 5_000), "");
}

async function ran(running: Promise<Ran>): Promise<string> {
  const { exit, signal, stdout, stderr } = await running;
  assert.equal(exit, 0, `${signal ?? ""} ${stderr}`);
  return stdout;
}

async function store(tree: string, set: string): Promise<void> {
  await ran(world.start("uploader", ["put", tree, "--set", set]).ended);
  await ran(world.start("mover", ["run", "--once"]).ended);
}

async function diskKiB(path: string): Promise<number> {
  return Number((await run("du", ["-sk", path])).stdout.split("\t")[0]);
}

test("a folder with everything that a file system allows is restored as it was", async () => {
  await makeTree(original);
  await store(original, "tree");
  const to = join(world.dir, "restored");
  await mkdir(to);
  // Nor does what is restored inherit from where it is restored to.
  await run("setfacl", ["-d", "-m", "u:54321:rwx", to]);
  const { remarks } = JSON.parse(await ran(world.run("operator", ["--json", "restore", "web1/tree", "--to", to]))) as {
    remarks: string[]; // as restore prints it
  };
  assert.deepEqual(remarks, []);
  await assertSame(original, join(to, original));
  assert.ok((await diskKiB(to)) < 2_000, "holes are holes again");
  const missed = join(to, original, "plain");
  await run("touch", [missed]);
  await assert.rejects(assertSame(original, join(to, original)), /plain/, "the comparison sees a difference");
});

test("somebody who is not root restores all but owners and what only root may set, and is told of the latter", async () => {
  const to = join(world.dir, "somebody's");
  await mkdir(to);
  const args = ["--config", world.operatorConfig, "restore", "web1/tree", "--to", to];
  if (isRoot) {
    await chmod(world.dir, 0o711);
    for (const file of ["operator.id", "operator.secret"]) await chown(join(world.dir, file), SOMEBODY, SOMEBODY);
    await chown(to, SOMEBODY, SOMEBODY);
  }
  const user = isRoot ? { uid: SOMEBODY, gid: SOMEBODY } : {};
  const env = { PATH: process.env["PATH"], HOME: to, NODE_NO_WARNINGS: "1" };
  const child = spawn(process.execPath, [join(root, "operator/main.ts"), ...args], { ...user, env, cwd: "/" });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const [exit] = (await once(child, "close")) as [number | null]; // what "close" gives first
  assert.equal(exit, 0, `${printed}\n(the checkout has to be readable by everybody for this test)`);
  // rsync without root's rights leaves these attributes out by itself.
  const rootsOwn = isRoot ? ["--filter=-x security.*", "--filter=-x trusted.*"] : [];
  const beyond = ["--no-owner", "--no-group", ...rootsOwn];
  await assertSame(original, join(to, original), ...beyond);
  assert.equal((await stat(join(to, original, "owned"))).uid, isRoot ? SOMEBODY : process.getuid?.());
  if (isRoot) assert.match(printed, /WARNING .*security\.capability/);
});

test(`${FILES} small files are restored as they were`, { timeout: 240_000 }, async (t) => {
  const many = join(world.dir, "many");
  await mkdir(many);
  // One process, since a hundred thousand promises are slower than a hundred thousand files.
  const script = `const fs = require("node:fs");
    for (let i = 0; i < ${FILES}; i++) {
      const folder = ${JSON.stringify(many)} + "/" + Math.floor(i / 1000);
      if (i % 1000 === 0) fs.mkdirSync(folder);
      fs.writeFileSync(folder + "/" + i, "file " + i);
    }`;
  execFileSync(process.execPath, ["--eval", script]);
  let begun = performance.now();
  const seconds = (): string => {
    const spent = ((performance.now() - begun) / 1000).toFixed(1);
    begun = performance.now();
    return spent;
  };
  await store(many, "many");
  t.diagnostic(`put and moved in ${seconds()} s`);
  const to = join(world.dir, "many-restored");
  await ran(world.start("operator", ["restore", "web1/many", "--to", to]).ended);
  t.diagnostic(`restored in ${seconds()} s`);
  await assertSame(many, join(to, many));
  assert.equal((await readdir(many, { recursive: true })).length, FILES + FILES / 1000);
  await rm(to, { recursive: true });
});
