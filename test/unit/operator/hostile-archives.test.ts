/** Archives that a host which was taken over has signed: each is restored inside its folder, or refused. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { defaultSizeLimit } from "../../../operator/limit-size.ts";
import type { Restored } from "../../../operator/restore.ts";
import { isAirlockError, type Code } from "../../../shared/errors.ts";
import { makeTar, type Member } from "./make-tar.ts";
import { restoreHere, type RestoreHereRequest } from "./restore-here.ts";

const base = await mkdtemp(join(tmpdir(), "airlock-hostile-"));
const isRoot = process.getuid?.() === 0;
after(() => rm(base, { recursive: true }));

/** What surrounds the target, and what is in it already. */
let world: string;
let to: string;
beforeEach(async () => {
  world = await mkdtemp(join(base, "world-"));
  to = join(world, "target");
  await mkdir(join(world, "outside"), { mode: 0o750 });
  await writeFile(join(world, "outside", "victim"), "mine", { mode: 0o600 });
  await mkdir(to);
  await writeFile(join(to, "there"), "before");
});

/** Everything below the folder, by its path: kind, mode, owner, links, times, content. */
async function snapshot(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const look = async (path: string, name: string): Promise<void> => {
    const { mode, uid, gid, nlink, ino, mtimeMs } = await lstat(path);
    const kind = mode & 0o170000;
    const isFolder = kind === 0o040000;
    const content =
      kind === 0o100000
        ? createHash("sha256")
            .update(await readFile(path))
            .digest("hex")
        : kind === 0o120000
          ? await readlink(path)
          : "";
    // a folder's time and links change when something comes to be in it, which its children show
    found.set(name, [mode, uid, gid, ino, ...(isFolder ? [] : [nlink, mtimeMs]), content].join(" "));
    if (isFolder) for (const child of await readdir(path)) await look(join(path, child), `${name}/${child}`);
  };
  await look(folder, ".");
  return found;
}

/** Restores, and makes sure that nothing changed which was there, nor came to be outside the target. */
async function attempt(
  archive: Uint8Array,
  request: Partial<RestoreHereRequest> = {},
  encoding: readonly ("tar" | "zstd")[] = ["tar"],
): Promise<{ readonly restored: Restored | null; readonly error: Error | null; readonly came: readonly string[] }> {
  const before = await snapshot(world);
  let restored: Restored | null = null;
  let error: Error | null = null;
  try {
    restored = await restoreHere({ encoding, bytes: archive, name: "etc.tar" }, { to, ...request });
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    error = thrown;
  }
  const now = await snapshot(world);
  for (const [path, state] of before) assert.equal(now.get(path), state, `${path} changed`);
  const came = [...now.keys()].filter((path) => !before.has(path));
  for (const path of came) assert.ok(path.startsWith("./target/"), `${path} came to be`);
  if (error !== null) assert.deepEqual(came, [], "something is left of what was refused");
  return { restored, error, came };
}

const outside = (name = ""): string => join(world, "outside", name);
/** pax: `<length> <key>=<value>\n`, the length counting itself. */
function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const digits = String(rest.length + 2).length;
  return `${rest.length + digits}${rest}`;
}

const refused: readonly (readonly [string, () => readonly Member[]])[] = [
  ["a member that leads up", () => [{ name: "../outside/new", content: "evil" }]],
  ["a member that leads up from below", () => [{ name: "d/../../outside/new", content: "evil" }]],
  [
    "a member that leads up by its extended header",
    () => [
      { name: "pax", type: "x", content: pax("path", "../outside/new") },
      { name: "plain", content: "evil" },
    ],
  ],
  [
    "a member that leads up by GNU's long name",
    () => [
      { name: "././@LongLink", type: "L", content: `${"d/".repeat(60)}${"../".repeat(61)}outside/new\0` },
      { name: "plain", content: "evil" },
    ],
  ],
  [
    "a link out, and a member through it",
    () => [
      { name: "l", type: "2", link: "../outside" },
      { name: "l/new", content: "evil" },
    ],
  ],
  [
    "an absolute link, and a member through it",
    () => [
      { name: "l", type: "2", link: outside() },
      { name: "l/victim", content: "evil" },
    ],
  ],
  [
    "links that lead out together",
    () => [
      { name: "a", type: "2", link: "." },
      { name: "a/b", type: "2", link: ".." },
      { name: "a/b/outside/new", content: "evil" },
    ],
  ],
  [
    "a hard link to what is outside, and then its content",
    () => [
      { name: "h", type: "1", link: "../outside/victim" },
      { name: "h", content: "evil" },
    ],
  ],
  [
    "an absolute hard link, and then its content",
    () => [
      { name: "h", type: "1", link: outside("victim") },
      { name: "h", content: "evil" },
    ],
  ],
  [
    "a hard link through a link out",
    () => [
      { name: "l", type: "2", link: "../outside" },
      { name: "h", type: "1", link: "l/victim" },
      { name: "h", content: "evil" },
    ],
  ],
  [
    "a file and a folder of one name",
    () => [
      { name: "a", content: "file" },
      { name: "a/b", content: "below it" },
    ],
  ],
  [
    "a link out that a folder of its name follows",
    () => [
      { name: "s", type: "2", link: "../outside" },
      { name: "s", type: "5", mode: 0o777 },
    ],
  ],
  [
    "a member that leads up, behind folders that nobody may open",
    () => [
      { name: "closed", type: "5", mode: 0o000 },
      { name: "closed/in", type: "5", mode: 0o000 },
      { name: "../outside/new", content: "evil" },
    ],
  ],
];

for (const [what, members] of refused) {
  test(`${what}: refused, and nothing is left of it`, async () => {
    const { error } = await attempt(makeTar(members()));
    assert.ok(isAirlockError(error, "command-failed"), String(error));
    assert.match(error.message, /^tar ended with exit 2: /);
    assert.match(error.remedy ?? "", /--list/);
  });
}

const inside: readonly (readonly [string, () => readonly Member[], readonly string[]])[] = [
  ["an absolute member", () => [{ name: "/etc/x", content: "evil" }], ["./target/etc", "./target/etc/x"]],
  [
    "a link out that a file of its name follows",
    () => [
      { name: "s", type: "2", link: "../outside/victim" },
      { name: "s", content: "evil" },
    ],
    ["./target/s"],
  ],
  [
    "a link that only points out, as a backup of a system has many",
    () => [{ name: "s", type: "2", link: "/etc/passwd" }],
    ["./target/s"],
  ],
  [
    "names that a shell or a terminal would take for something else",
    () => [
      { name: "-rf", content: "x" },
      { name: "$(touch evil)\n\u001b[2J", content: "x" },
    ],
    ["./target/$(touch evil)\n\u001b[2J", "./target/-rf"],
  ],
  ["a pipe, which nobody opens", () => [{ name: "p", type: "6" }], ["./target/p"]],
];

for (const [what, members, expected] of inside) {
  test(`${what}: stays inside`, async () => {
    const { error, came } = await attempt(makeTar(members()));
    assert.equal(error, null);
    assert.deepEqual(came.toSorted(), expected.toSorted());
  });
}

test("nothing of the target is overwritten, nor put beside what has a name of the archive's", async () => {
  const archive = makeTar([
    { name: "new", content: "x" },
    { name: "there", content: "evil" },
  ]);
  const { error } = await attempt(archive);
  assert.ok(isAirlockError(error, "target-exists"), String(error));
});

test("device nodes are left out unless they are asked for, and only root gets them", async () => {
  const archive = makeTar([
    { name: "dev", type: "5", mode: 0o755 },
    { name: "dev/null", type: "3", mode: 0o666 },
    { name: "dev/disk", type: "4", mode: 0o666 },
    { name: "dev/readme", content: "text" },
  ]);
  const { restored, error, came } = await attempt(archive);
  assert.equal(error, null);
  assert.deepEqual(came.toSorted(), ["./target/dev", "./target/dev/readme"]);
  assert.equal(restored?.files, 1);
  assert.deepEqual(restored?.remarks, ["2 device nodes were left out: --devices, as root, restores them"]);
  await rm(join(to, "dev"), { recursive: true });
  const asked = await attempt(archive, { devices: true });
  if (isRoot) assert.ok((await lstat(join(to, "dev/null"))).isCharacterDevice());
  else assert.ok(isAirlockError(asked.error, "command-failed"), String(asked.error));
});

const bombs: readonly (readonly [string, () => Uint8Array, Code])[] = [
  [
    "a file that grows a thousandfold",
    () => makeTar([{ name: "a", content: "\0".repeat(10_000_000) }]),
    "object-too-large",
  ],
  [
    "many empty members",
    () => makeTar(Array.from({ length: 3000 }, (_, index) => ({ name: `m${index}` }))),
    "object-too-large",
  ],
  [
    "zeros behind the archive's end",
    () => Buffer.concat([makeTar([{ name: "a" }]), Buffer.alloc(10_000_000)]),
    "object-too-large",
  ],
];
for (const [what, make, code] of bombs) {
  test(`${what}: refused at the limit, with how to allow it`, async () => {
    const archive = zstdCompressSync(make());
    const { error } = await attempt(archive, { maxBytes: 1_000_000 }, ["tar", "zstd"]);
    assert.ok(isAirlockError(error, code), String(error));
    assert.match(error.message, /grows to more than 976\.6 KiB from [0-9.]+ (KiB|B) stored/);
    assert.match(error.remedy ?? "", /--max-size/);
    const allowed = await attempt(archive, { maxBytes: 40_000_000 }, ["tar", "zstd"]);
    assert.equal(allowed.error, null);
  });
}

test("by default a gibibyte may come of anything, and 200 times its size of what is larger", () => {
  assert.equal(defaultSizeLimit(0), 1024 ** 3);
  assert.equal(defaultSizeLimit(1024 ** 3), 200 * 1024 ** 3);
});

test("a file with a hole of an exbibyte takes no room, or is refused", async () => {
  const size = String(2 ** 60);
  const sparse = [
    pax("GNU.sparse.major", "1"),
    pax("GNU.sparse.minor", "0"),
    pax("GNU.sparse.name", "hole"),
    pax("GNU.sparse.realsize", size),
  ];
  const map = `1\n${size}\n0\n`.padEnd(512, "\0");
  const archive = makeTar([
    { name: "pax", type: "x", content: sparse.join("") },
    { name: "GNUSparseFile.1/hole", content: map },
  ]);
  const { error } = await attempt(archive);
  if (error === null) assert.ok((await lstat(join(to, "hole"))).blocks < 100);
  else assert.ok(isAirlockError(error, "command-failed"), String(error));
});

test("paths too deep for the kernel are refused, and what came of them is removed", async () => {
  // each member is within the limit from where tar stands, and beyond it from the root
  const deep = Array.from({ length: 19 }, () => "d".repeat(200)).join("/");
  const members: Member[] = [
    { name: "././@LongLink", type: "L", content: `${deep}/\0` },
    { name: "plain", type: "5", mode: 0o755 },
    { name: "../outside/new", content: "evil" },
  ];
  const { error } = await attempt(makeTar(members));
  assert.ok(isAirlockError(error, "command-failed"), String(error));
});

test("a size that the archive does not hold is refused", async () => {
  const whole = makeTar([{ name: "a", content: "x".repeat(5000) }]);
  const { error } = await attempt(whole.subarray(0, 3000));
  assert.ok(isAirlockError(error, "command-failed"), String(error));
});
