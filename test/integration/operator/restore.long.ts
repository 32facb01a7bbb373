import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { generateHybridIdentity, generateX25519Identity } from "age-encryption";
import type { EncodingStep } from "../../../shared/statement.ts";
import { createHost, foreignObject, sha256, type ObjectOptions } from "../../unit/operator/fixture.ts";
import { startRestoreBench } from "./restore-bench.ts";

const bench = await startRestoreBench();
after(() => bench[Symbol.asyncDispose]());
const { vault, web, mover, identity, identityFile, target, store, encode, restore } = bench;

const SUFFIXES: Readonly<Record<EncodingStep, string>> = { tar: ".tar", zstd: ".zst", age: ".age" };

for (const steps of [[], ["zstd"], ["age"], ["zstd", "age"]] as const satisfies EncodingStep[][]) {
  test(`an object that was stored as [${steps.join(", ")}] is restored byte for byte under its own name`, async () => {
    // more than one range, chunk and zstd block
    const bytes = Buffer.concat([randomBytes(9 * 1024 * 1024), Buffer.alloc(100_000)]);
    const name = `shop.dump${steps.map((step) => SUFFIXES[step]).join("")}`;
    const set = `plain-${steps.join("-") || "none"}`;
    const object = await store({ set, name, encoding: steps, bytes: await encode(bytes, steps) });
    const to = await target();
    const { exit, stdout, stderr } = await restore(set, to, "--identity", identityFile);
    assert.equal(exit, 0, stderr);
    assert.deepEqual(await readdir(to), ["shop.dump"]);
    assert.ok(bytes.equals(await readFile(join(to, "shop.dump"))));
    const text = stdout.toString("utf8");
    assert.ok(text.includes(`sha-256   ${sha256(object.bytes)}, verified`), text);
    assert.ok(text.includes(`signed    by web1, key ${web.key.public.id}`), text);
    assert.ok(text.includes(`as of ${object.entry.at.slice(0, 19).replace("T", " ")} UTC`), text);
  });
}

test("an archive is unpacked: files, modes, links and folders as they were", async () => {
  const source = await target();
  await mkdir(join(source, "etc/ssl"), { recursive: true });
  await writeFile(join(source, "etc/passwd"), "root");
  await writeFile(join(source, "etc/ssl/key"), "secret", { mode: 0o400 });
  execFileSync("ln", ["-s", "/usr/share/zoneinfo/UTC", join(source, "etc/localtime")]);
  const archive = execFileSync("tar", ["-c", "-C", source, "etc"]);
  const steps: EncodingStep[] = ["tar", "zstd", "age"];
  await store({ set: "etc", name: "etc.tar.zst.age", encoding: steps, bytes: await encode(archive, steps) });
  const to = join(await target(), "not/yet/there");
  const { exit, stderr, stdout } = await restore("etc", to, "--identity", "-", "--json");
  assert.equal(exit, 2, stderr);
  assert.match(stdout.toString("utf8"), /holds no age identity/);
  const ran = await vault.run(["restore", "web1/etc", "--to", to, "--identity", "-"], { stdin: `${identity}\n` });
  assert.equal(ran.exit, 0, ran.stderr);
  assert.deepEqual(await readdir(to), ["etc"]);
  const list = (folder: string): string =>
    execFileSync("find", [".", "-printf", "%p %m %y %l %s\n"], { cwd: folder, encoding: "utf8" });
  assert.deepEqual(list(join(to, "etc")).split("\n").toSorted(), list(join(source, "etc")).split("\n").toSorted());
});

test("post-quantum identities decrypt, typed in lower case too", async () => {
  const hybrid = await generateHybridIdentity();
  await store({
    set: "pq",
    name: "x.age",
    encoding: ["age"],
    bytes: await encode(Buffer.from("quantum"), ["age"], hybrid),
  });
  const ran = await vault.run(["restore", "web1/pq", "--to", "-", "--identity", "-"], { stdin: hybrid.toLowerCase() });
  assert.equal(ran.exit, 0, ran.stderr);
  assert.equal(ran.stdout.toString("utf8"), "quantum");
});

test("--to - writes the decoded bytes and nothing else to standard output", async () => {
  const bytes = randomBytes(300_000);
  await store({
    set: "pipe",
    name: "x.zst.age",
    encoding: ["zstd", "age"],
    bytes: await encode(bytes, ["zstd", "age"]),
  });
  const ran = await restore("pipe", "-", "--identity", identityFile);
  assert.equal(ran.exit, 0, ran.stderr);
  assert.ok(bytes.equals(ran.stdout));
  assert.match(ran.stderr, /restored web1\/pipe/);
  assert.equal((await restore("pipe", "-", "--identity", identityFile, "--json")).exit, 2);
});

test("--raw writes the stored bytes under their stored name, without an identity", async () => {
  const object = await store({
    set: "raw",
    name: "x.age",
    encoding: ["age"],
    bytes: await encode(Buffer.from("x"), ["age"]),
  });
  const to = await target();
  const { exit, stderr } = await restore("raw", to, "--raw");
  assert.equal(exit, 0, stderr);
  assert.ok(Buffer.from(object.bytes).equals(await readFile(join(to, "x.age"))));
});

test("--at restores the newest that was there then; without it the newest", async () => {
  const first = await store({ set: "daily", bytes: Buffer.from("first") });
  await store({ set: "daily", bytes: Buffer.from("second") });
  const at = await restore("daily", "-", "--at", first.entry.at);
  assert.equal(at.stdout.toString("utf8"), "first", at.stderr);
  assert.equal((await restore("daily", "-")).stdout.toString("utf8"), "second");
  const tooEarly = await restore("daily", "-", "--at", "2020-01-01");
  assert.equal(tooEarly.exit, 2);
  assert.match(tooEarly.stderr, /nothing of web1\/daily was in the vault/);
});

test("an old object that was put into the drop-zone again is not the newest", async () => {
  const old = await store({ set: "replayed", bytes: Buffer.from("old") });
  const current = await store({ set: "replayed", bytes: Buffer.from("new") });
  mover.append([
    { ...old.entry, at: new Date(Date.parse(current.entry.at) + 1000).toISOString(), disposition: "duplicate" },
  ]);
  await vault.putLedger(mover);
  assert.equal((await restore("replayed", "-")).stdout.toString("utf8"), "new");
});

test("nothing that exists is overwritten, neither a file nor anything of an archive", async () => {
  await store({ set: "file", name: "shop.dump", bytes: Buffer.from("new") });
  const to = await target();
  await writeFile(join(to, "shop.dump"), "mine");
  const file = await restore("file", to);
  assert.equal(file.exit, 2);
  assert.match(file.stderr, /nothing is overwritten/);
  assert.equal(await readFile(join(to, "shop.dump"), "utf8"), "mine");

  const source = await target();
  await writeFile(join(source, "a"), "new");
  await writeFile(join(source, "shop.dump"), "new");
  const archive = execFileSync("tar", ["-c", "-C", source, "a", "shop.dump"]);
  await store({ set: "files", name: "x.tar", encoding: ["tar"], bytes: archive });
  assert.equal((await restore("files", to)).exit, 2);
  assert.deepEqual(await readdir(to), ["shop.dump"]);
  assert.equal(await readFile(join(to, "shop.dump"), "utf8"), "mine");
});

const bytes = randomBytes(200_000);
const failures: readonly {
  readonly what: string;
  readonly encoding: readonly EncodingStep[];
  /** What the host stored and signed. */
  readonly make?: (encoded: Uint8Array) => Uint8Array;
  /** What the vault holds instead. */
  readonly damage?: (stored: Uint8Array) => Uint8Array;
  readonly forge?: ObjectOptions["forge"];
  readonly exit: number;
  readonly says: RegExp;
}[] = [
  {
    what: "bytes that were altered in the vault",
    encoding: ["age"],
    damage: flipped,
    exit: 5,
    says: /the ledger recorded/,
  },
  {
    what: "an object that was cut off in the vault",
    encoding: [],
    damage: (stored) => stored.subarray(0, 100),
    exit: 5,
    says: /holds 100 bytes/,
  },
  { what: "a chunk that does not decrypt", encoding: ["age"], make: flipped, exit: 5, says: /does not decrypt/ },
  {
    what: "an age file without its last chunk",
    encoding: ["age"],
    make: (encoded) => encoded.subarray(0, 180_000),
    exit: 5,
    says: /does not decrypt/,
  },
  {
    what: "a zstd frame without its end",
    encoding: ["zstd"],
    make: (encoded) => encoded.subarray(0, -10),
    exit: 5,
    says: /does not decompress/,
  },
  { what: "what is no zstd at all", encoding: ["zstd"], make: () => bytes, exit: 5, says: /does not decompress/ },
  { what: "what is no age file at all", encoding: ["age"], make: () => bytes, exit: 5, says: /not an age file/ },
  {
    what: "a digest that the host did not sign",
    encoding: [],
    forge: (s) => ({ ...s, sha256: "0".repeat(64) }),
    exit: 5,
    says: /another digest/,
  },
  {
    what: "a statement about another key",
    encoding: [],
    forge: (s) => ({ ...s, key: `${s.key}x` }),
    exit: 5,
    says: /another key/,
  },
  {
    what: "steps in an order that nothing is made in",
    encoding: ["zstd", "tar"],
    make: () => bytes,
    exit: 5,
    says: /in which order/,
  },
];
function flipped(stored: Uint8Array): Uint8Array {
  return flippedAt(stored, 150_000);
}

for (const [number, { what, encoding, make, damage, forge, exit, says }] of failures.entries()) {
  test(`${what}: exit ${exit}, and nothing is left behind`, async () => {
    const set = `failure-${number}`;
    const encoded = await encode(bytes, encoding);
    const stored = make?.(encoded) ?? encoded;
    await store({ set, encoding, bytes: stored, ...(forge === undefined ? {} : { forge }) }, damage?.(stored));
    const to = await target();
    const ran = await restore(set, to, "--identity", identityFile);
    assert.equal(ran.exit, exit, ran.stderr);
    assert.match(ran.stderr, says);
    assert.deepEqual(await readdir(to), []);
  });
}

test("another identity does not decrypt, and no error repeats it", async () => {
  await store({ set: "secret", name: "x.age", encoding: ["age"], bytes: await encode(Buffer.from("x"), ["age"]) });
  const to = await target();
  const other = await generateX25519Identity();
  const ran = await vault.run(["restore", "web1/secret", "--to", to, "--identity", "-"], { stdin: other });
  assert.equal(ran.exit, 5, ran.stderr);
  assert.match(ran.stderr, /encrypted to other identities/);
  const broken = await vault.run(["restore", "web1/secret", "--to", to, "--identity", "-"], {
    stdin: other.slice(0, -3),
  });
  assert.equal(broken.exit, 2);
  for (const { stderr } of [ran, broken]) assert.ok(!stderr.includes(other.slice(20, 40)));
  const none = await restore("secret", to);
  assert.equal(none.exit, 2);
  assert.match(none.stderr, /--identity/);
  assert.deepEqual(await readdir(to), []);
});

test("an object that is gone from the vault is an integrity error", async () => {
  const object = web.next({ set: "gone" });
  mover.append([object.entry]);
  await vault.putLedger(mover);
  const ran = await restore("gone", await target());
  assert.equal(ran.exit, 5, ran.stderr);
  assert.match(ran.stderr, /the vault does not hold it/);
});

test("an object whose host's key is not listed, or that should be signed and is not, is restored only --unverified", async () => {
  const stranger = createHost("db1").next({ set: "etc", bytes: Buffer.from("stranger") });
  const signed = web.next({ set: "stripped", bytes: Buffer.from("stripped") });
  mover.append([stranger.entry, { ...signed.entry, statement: null, signature: null, hostKey: null }]);
  await vault.putLedger(mover);
  await vault.putObject(stranger);
  await vault.putObject(signed);
  for (const [what, text] of [
    ["db1/etc", "stranger"],
    ["web1/stripped", "stripped"],
  ] as const) {
    const refused = await vault.run(["restore", what, "--to", "-"]);
    assert.equal(refused.exit, 5, what);
    assert.equal(refused.stdout.length, 0);
    const taken = await vault.run(["restore", what, "--to", "-", "--unverified"]);
    assert.equal(taken.stdout.toString("utf8"), text);
    assert.match(taken.stderr, /WARNING/);
  }
});

test("a foreign object is restored as it is, and it is said that nobody signed it", async () => {
  const foreign = foreignObject("web1/nginx/2026/access.log.gz", Buffer.from("log"));
  mover.append([foreign.entry]);
  await vault.putLedger(mover);
  await vault.putObject(foreign);
  const to = await target();
  const ran = await restore("nginx", to);
  assert.equal(ran.exit, 0, ran.stderr);
  assert.equal(await readFile(join(to, "access.log.gz"), "utf8"), "log");
  assert.match(ran.stdout.toString("utf8"), /signed {4}by nobody/);
});

test("connections that break off and a store that fails for a while are got over", async () => {
  const big = randomBytes(20 * 1024 * 1024);
  const object = await store({ set: "flaky", bytes: big });
  const key = object.vaultName;
  vault.server.faults.add({
    operation: "GetObject",
    key,
    times: 2,
    fault: { kind: "reset-response", atByte: 100_000 },
  });
  vault.server.faults.add({
    operation: "GetObject",
    key,
    nth: 4,
    times: 1,
    fault: { kind: "error", when: "before", status: 503, code: "SlowDown" },
  });
  const to = await target();
  const ran = await restore("flaky", to);
  vault.server.faults.clear();
  assert.equal(ran.exit, 0, ran.stderr);
  assert.ok(big.equals(await readFile(join(to, "shop.dump"))));
});

test("an interrupt in the middle of a restore keeps what was read, and the same command goes on from there", async () => {
  const large = randomBytes(60 * 1024 * 1024);
  await store({ set: "slow", bytes: large });
  const hang = { operation: "GetObject", key: /slow/, nth: 6, fault: { kind: "hang", when: "before" } } as const;
  const reached = vault.server.faults.add(hang).nextFiring();
  const to = await target();
  const child = vault.start(["restore", "web1/slow", "--to", to]);
  await reached;
  // the ranges before the one that hangs are written in order
  const size = async (): Promise<number> => {
    const [only] = await readdir(to);
    return only === undefined ? 0 : (await stat(join(to, only))).size;
  };
  while ((await size()) < 8 * 1024 * 1024) await setTimeout(20);
  child.kill("SIGINT");
  const [code] = (await once(child, "close")) as [number];
  vault.server.faults.clear();
  assert.equal(code, 1);
  const [kept = "", ...others] = await readdir(to); // what is there has no final name
  assert.match(kept, /^\.airlock-restore-[0-9a-f]{32}\.part$/);
  assert.deepEqual(others, []);
  const keptBytes = (await stat(join(to, kept))).size;

  let readBytes = 0;
  const end = vault.server.onRequest(({ operation, key, responseBytes }) => {
    if (operation === "GetObject" && key?.includes("/slow/") === true) readBytes += responseBytes;
  });
  const again = await restore("slow", to);
  end();
  assert.equal(again.exit, 0, again.stderr);
  assert.deepEqual(await readdir(to), ["shop.dump"]);
  assert.ok(large.equals(await readFile(join(to, "shop.dump"))));
  assert.ok(readBytes > 0 && readBytes < large.length - keptBytes + 100_000, `${readBytes} after ${keptBytes}`);
});

test("what an earlier attempt left is not believed: where it is wrong, all is read again", async () => {
  const large = randomBytes(10 * 1024 * 1024);
  const object = await store({ set: "left", bytes: large });
  const to = await target();
  const id = sha256(Buffer.from(`${object.vaultName}\n${sha256(object.bytes)}`)).slice(0, 32);
  const part = join(to, `.airlock-restore-${id}.part`);
  for (const left of [Buffer.alloc(9_000_000), randomBytes(11 * 1024 * 1024), flippedAt(large, 1000)]) {
    await writeFile(part, left);
    const ran = await restore("left", to);
    assert.equal(ran.exit, 0, ran.stderr);
    assert.deepEqual(await readdir(to), ["shop.dump"]);
    assert.ok(large.equals(await readFile(join(to, "shop.dump"))));
    await rm(join(to, "shop.dump"));
  }
  await symlink(join(to, "elsewhere"), part);
  const ran = await restore("left", to);
  assert.equal(ran.exit, 2, ran.stderr);
  assert.match(ran.stderr, /no unfinished download/);
  await assert.rejects(stat(join(to, "elsewhere")));
});

function flippedAt(whole: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(whole);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

test("another identity is found out before a large object is read", async () => {
  const encoded = await encode(randomBytes(20 * 1024 * 1024), ["age"]);
  await store({ set: "large-secret", name: "x.age", encoding: ["age"], bytes: encoded });
  const other = await generateX25519Identity();
  let readBytes = 0;
  const end = vault.server.onRequest(({ operation, responseBytes, key }) => {
    if (operation === "GetObject" && key?.includes("/large-secret/") === true) readBytes += responseBytes;
  });
  const ran = await vault.run(["restore", "web1/large-secret", "--to", await target(), "--identity", "-"], {
    stdin: other,
  });
  end();
  assert.equal(ran.exit, 5, ran.stderr);
  assert.match(ran.stderr, /encrypted to other identities/);
  assert.ok(readBytes > 0 && readBytes < 1024 * 1024, `${readBytes}`);
});
