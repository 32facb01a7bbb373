import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readlink, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { parseDropZoneName } from "../../../shared/names.ts";
import { compareTrees } from "../../demo/compare-trees.ts";
import { startWorld, type Ran, type World } from "../../support/world.ts";
import { assertSequenceWhole, readDropZone, type StoredObject } from "./drop-zone.ts";

describe("airlock-uploader put", () => {
  let world: World;
  let identity: string;
  let files: string;
  before(async () => {
    identity = await generateX25519Identity();
    world = await startWorld({ recipient: await identityToRecipient(identity) });
    files = join(world.dir, "files");
    await mkdir(files);
  });
  after(() => world[Symbol.asyncDispose]());

  async function put(args: readonly string[], options?: Parameters<World["run"]>[2]): Promise<Ran> {
    return world.run("uploader", ["--json", "put", ...args], options);
  }

  /** The object that this run stored, found by what it printed. */
  async function storedBy(ran: Ran): Promise<StoredObject> {
    assert.equal(ran.exit, 0, ran.stderr);
    const value = JSON.parse(ran.stdout) as { key: string; bytes: number; sha256: string; seq: number };
    const { objects } = await readDropZone(world);
    const found = objects.filter(({ key }) => key === value.key);
    assert.equal(found.length, 1);
    const [object] = found;
    assert.ok(object !== undefined);
    assert.equal(object.statement.sha256, value.sha256);
    assert.equal(object.statement.size, value.bytes);
    assert.equal(object.statement.seq, value.seq);
    return object;
  }

  async function decode({ body, statement }: StoredObject): Promise<Buffer> {
    assert.equal(statement.encoding.at(-1), "age");
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const bytes = Buffer.from(await decrypter.decrypt(body));
    return statement.encoding.includes("zstd") ? zstdDecompressSync(bytes) : bytes;
  }

  /** As somebody without Airlock would: a path below `into`. */
  async function untar(object: StoredObject): Promise<string> {
    const into = join(world.dir, `out-${object.statement.seq}`);
    await mkdir(into);
    execFileSync("tar", ["--extract", "--xattrs", "--acls", "--file=-", `--directory=${into}`], {
      input: await decode(object),
    });
    return into;
  }

  it("stores a file as itself, under its own name", async () => {
    const path = join(files, "notes.txt");
    const words = "a few words\n".repeat(9);
    await writeFile(path, words);
    const object = await storedBy(await put(["--set", "notes", path]));
    assert.equal((await decode(object)).toString(), words);
    const name = parseDropZoneName(object.key);
    assert.deepEqual([name?.host, name?.set, name?.name], ["web1", "notes", "notes.txt.zst.age"]);
    assert.deepEqual(object.statement.encoding, ["zstd", "age"]);
    assert.ok(object.isInline);
  });

  it("stores an empty file", async () => {
    const path = join(files, "empty");
    await writeFile(path, "");
    assert.equal((await decode(await storedBy(await put(["--set", "notes", path])))).length, 0);
  });

  it("stores a folder as a tar archive that restores names, links, modes and holes", async () => {
    const folder = join(files, "tree");
    await mkdir(join(folder, "süß"), { recursive: true });
    await writeFile(join(folder, "süß", "ä\u{1F600}.txt"), "words", { mode: 0o640 });
    await symlink("süß", join(folder, "link"));
    await writeFile(join(folder, "-rf"), "a name like an option");
    await writeFile(join(folder, "sparse"), "");
    await truncate(join(folder, "sparse"), 64 * 1024 ** 2);
    const object = await storedBy(await put(["--set", "tree", folder]));
    assert.equal(parseDropZoneName(object.key)?.name, "tree.tar.zst.age");
    assert.deepEqual(object.statement.encoding, ["tar", "zstd", "age"]);
    assert.ok((await decode(object)).length < 1024 ** 2, "holes are left out");
    const restored = join(await untar(object), folder);
    assert.equal(await readFile(join(restored, "süß", "ä\u{1F600}.txt"), "utf8"), "words");
    await compareTrees(folder, restored);
    assert.equal(await readlink(join(restored, "link")), "süß");
    assert.equal(
      execFileSync("stat", ["-c", "%a", join(restored, "süß", "ä\u{1F600}.txt")])
        .toString()
        .trim(),
      "640",
    );
  });

  it("stores several paths as one archive with the set's name", async () => {
    const [one, two] = [join(files, "one"), join(files, "two")];
    await writeFile(one, "1");
    await writeFile(two, "2");
    const object = await storedBy(await put(["--set", "both", one, two]));
    assert.equal(parseDropZoneName(object.key)?.name, "both.tar.zst.age");
    const into = await untar(object);
    assert.equal(await readFile(join(into, two), "utf8"), "2");
  });

  it("takes a link for what it points to", async () => {
    const target = join(files, "target");
    await mkdir(target);
    await writeFile(join(target, "inside"), "content");
    await symlink(target, join(files, "to-target"));
    const object = await storedBy(await put(["--set", "link", join(files, "to-target")]));
    assert.equal(parseDropZoneName(object.key)?.name, "to-target.tar.zst.age");
    assert.equal(await readFile(join(await untar(object), files, "to-target", "inside"), "utf8"), "content");
  });

  it("stores standard input", async () => {
    const bytes = randomBytes(300_000);
    const object = await storedBy(await put(["--set", "piped", "--name", "dump", "-"], { stdin: bytes }));
    assert.ok((await decode(object)).equals(bytes));
    assert.equal(parseDropZoneName(object.key)?.name, "dump.age", "noise is not compressed");
  });

  it("stores what a command writes, its options left alone", async () => {
    const object = await storedBy(await put(["--set", "cmd", "--", "printf", "%s", "--set"]));
    assert.equal((await decode(object)).toString(), "--set");
    assert.equal(parseDropZoneName(object.key)?.name, "cmd.age");
  });

  it("stores what comes out of a pipe that has a name", async () => {
    const pipe = join(files, "pipe");
    execFileSync("mkfifo", [pipe]);
    const running = put(["--set", "pipe", pipe]);
    await writeFile(pipe, "through the pipe");
    assert.equal((await decode(await storedBy(await running))).toString(), "through the pipe");
  });

  it("stores nothing of a command that fails, however late", async () => {
    const before_ = await readDropZone(world);
    for (const script of [
      "echo partial; exit 1",
      "head -c 12000000 /dev/urandom; exit 9",
      "head -c 20000000 /dev/urandom; kill -TERM $$",
    ]) {
      const ran = await put(["--set", "cmd", "--", "sh", "-c", script]);
      assert.equal(ran.exit, 1);
      const { error } = JSON.parse(ran.stdout) as { error: { code: string; remedy: string } };
      assert.equal(error.code, "command-failed");
      assert.match(error.remedy, /exits with 0/);
    }
    const after_ = await readDropZone(world);
    assert.equal(after_.objects.length, before_.objects.length);
    assert.equal(after_.alone.length, before_.alone.length);
  });

  it("stores a stream larger than one request in parts, its statement beside it", async () => {
    const object = await storedBy(await put(["--set", "large", "--", "head", "-c", "30000000", "/dev/urandom"]));
    assert.equal((await decode(object)).length, 30_000_000);
    assert.ok(!object.isInline);
    assert.equal((await readDropZone(world)).alone.length, 0);
  });

  it("prints one line for people, and nothing but the value for programs", async () => {
    const path = join(files, "notes.txt");
    const plain = await world.run("uploader", ["put", "--set", "notes", path]);
    assert.match(
      plain.stdout,
      /^web1\/notes\/\S+\/notes\.txt\.zst\.age {2}\d+ bytes {2}sha256 [0-9a-f]{64} {2}seq \d+\n$/,
    );
    const json = await put(["--set", "notes", path]);
    assert.deepEqual(Object.keys(JSON.parse(json.stdout) as object), [
      "key",
      "bytes",
      "sha256",
      "epoch",
      "seq",
      "encoding",
    ]);
  });

  it("keeps one sequence while several run at once", async () => {
    const runs = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        put(["--set", `at-once-${index}`, "--", "head", "-c", index % 2 === 0 ? "1000" : "9000000", "/dev/urandom"]),
      ),
    );
    for (const ran of runs) assert.equal(ran.exit, 0, ran.stderr);
    const content = await readDropZone(world);
    assert.equal(content.alone.length, 0);
    assertSequenceWhole(content);
  });

  it("shows the last success of each set", async () => {
    const ran = await world.run("uploader", ["--json", "status"]);
    const status = JSON.parse(ran.stdout) as {
      sequence: { seq: number };
      unconfirmed: number;
      sets: { set: string; success: { seq: number } | null }[];
    };
    const { objects } = await readDropZone(world);
    assert.equal(status.sequence.seq, objects.length);
    assert.equal(status.unconfirmed, 0);
    for (const { set, success } of status.sets) {
      const last = Math.max(
        ...objects.filter(({ statement }) => statement.set === set).map(({ statement }) => statement.seq),
      );
      assert.equal(success?.seq, last);
    }
    const plain = await world.run("uploader", ["status"]);
    assert.match(plain.stdout, /^web1 → acme-dropzone\nagent +not running\nsequence +\d+ in epoch /);
    assert.match(plain.stdout, /\nlarge +\d{4}-/);
  });

  for (const [name, args, message] of [
    ["nothing to store", [], /say what to store/],
    ["a path and a command", ["/etc", "--", "true"], /say what to store/],
    ["an empty command", ["--"], /say what to store/],
    ["standard input and a path", ["-", "/etc"], /stored alone/],
    ["check's own set", ["/etc/hostname", "--set", "check"], /check/],
    ["no set's name", ["/etc/hostname", "--set", "Not A Set"], /not a set's name/],
    ["a name that is a path", ["/etc/hostname", "--name", "a/b"], /can't be called/],
  ] as const) {
    it(`refuses ${name}, with exit 2`, async () => {
      const ran = await world.run("uploader", ["put", "--set", "x", ...args]);
      assert.equal(ran.exit, 2);
      assert.match(ran.stderr, message);
      assert.equal(ran.stdout, "");
    });
  }

  it("asks for --set", async () => {
    const ran = await world.run("uploader", ["put", "/etc/hostname"]);
    assert.equal(ran.exit, 2);
    assert.match(ran.stderr, /--set/);
  });
});
