/** Each step of the runbooks in docs/operations.md ("The worst day", "Rotating keys"), with the real programs. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { generateAgeKeyPair } from "../../../operator/keygen.ts";
import { formatSigningKey, generateSigningKey, type SigningKey } from "../../../shared/keys.ts";
import { hostPolicy, moverDropZonePolicy, moverVaultPolicy, operatorPolicy } from "../../../shared/policies.ts";
import type { Account, Credentials, PolicyDocument } from "../../s3-server/server.ts";
import { DROP_ZONE, startWorld, VAULT, type World } from "../../support/world.ts";

const secureTransport = false;

async function succeed(world: World, role: "uploader" | "mover" | "operator", ...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await world.run(role, args);
  assert.equal(exit, 0, `${role} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

async function refuse(world: World, exit: number, role: "uploader" | "operator", ...args: string[]): Promise<void> {
  const ran = await world.run(role, args);
  assert.equal(ran.exit, exit, `${role} ${args.join(" ")}\n${ran.stdout}${ran.stderr}`);
}

/** Backs up one line and moves it. */
async function backUp(world: World, text: string): Promise<void> {
  const { exit, stderr } = await world.run("uploader", ["put", "-", "--set", "notes", "--name", "note"], {
    stdin: text,
  });
  assert.equal(exit, 0, stderr);
  await succeed(world, "mover", "run", "--once");
  assert.deepEqual(await world.listDropZone(), []);
}

async function restored(world: World, ...args: string[]): Promise<string> {
  return succeed(world, "operator", "restore", "web1/notes", "--to", "-", ...args);
}

const verifyAll = (world: World): Promise<string> => succeed(world, "operator", "verify", "--read");

async function edit(file: string, what: string | RegExp, by: string): Promise<void> {
  const text = await readFile(file, "utf8");
  const edited = text.replace(what, by);
  assert.notEqual(edited, text, `${file} has no ${what}`);
  await writeFile(file, edited);
}

/** The old key until now, the new one from now on; a second apart, as stores tell whole seconds. */
async function listNewKey(files: readonly string[], old: SigningKey["public"], fresh: string): Promise<void> {
  await sleep(1_100);
  const until = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  for (const file of files)
    await edit(file, `["${old.text}"]`, `[{ key: "${old.text}", until: "${until}" }, "${fresh}"]`);
}

/** The role's old key is taken away at the store, and a new one is put into its files. */
async function replaceCredentials(world: World, files: string, fresh: Credentials): Promise<void> {
  await writeFile(join(world.dir, `${files}.id`), fresh.accessKeyId, { mode: 0o600 });
  await writeFile(join(world.dir, `${files}.secret`), fresh.secretAccessKey, { mode: 0o600 });
}

const revoke = (account: Account, user: string): void => account.setUserPolicies(user);

test("host compromised: its key is revoked, what it signs from then on is held, and the new host goes on", async () => {
  await using world = await startWorld();
  const hostKey = world.hostKeys.get("web1");
  assert.ok(hostKey !== undefined);
  await backUp(world, "before\n");
  // 1. the access key
  revoke(world.dropZoneAccount, "web1");
  await refuse(world, 4, "uploader", "put", "-", "--set", "notes", "--name", "note");
  // 2. the host anew: a key pair and an access key of its own, and a new sequence
  await rm(join(world.dir, "web1.key"));
  await rm(join(world.dir, "web1.spool"), { recursive: true });
  const { publicKey } = JSON.parse(await succeed(world, "uploader", "--json", "init")) as { publicKey: string };
  const policy = hostPolicy({ bucket: DROP_ZONE, host: "web1", secureTransport });
  await replaceCredentials(world, "web1", world.dropZoneAccount.createUser("web1-new", policy));
  // 3. its old signing key counts for what there was, and for nothing else
  await listNewKey([world.moverConfig, world.operatorConfig], hostKey.public, publicKey);
  await backUp(world, "after\n");
  assert.equal(await restored(world), "after\n");
  await verifyAll(world);
  // whoever has the old signing key
  const forged = await world.putSigned("web1", Buffer.from("forged"));
  await succeed(world, "mover", "run", "--once");
  assert.deepEqual(
    (await world.listDropZone()).map(({ key }) => key),
    [forged.key],
  );
  await verifyAll(world);
});

test("drop-zone account compromised: the drop-zone is made anew elsewhere, under new keys, and the ledger goes on", async () => {
  await using world = await startWorld();
  await backUp(world, "before\n");
  revoke(world.dropZoneAccount, "web1");
  revoke(world.dropZoneAccount, "mover");
  const elsewhere = world.server.createAccount("another-provider");
  const bucket = "acme-dropzone-2";
  elsewhere.createBucket(bucket, { versioning: true });
  const host = hostPolicy({ bucket, host: "web1", secureTransport });
  await replaceCredentials(world, "web1", elsewhere.createUser("web1", host));
  const mover = moverDropZonePolicy({ bucket, secureTransport, versioned: true });
  await replaceCredentials(world, "dropzone-mover", elsewhere.createUser("mover", mover));
  for (const file of [world.uploaderConfig("web1"), world.moverConfig]) await edit(file, DROP_ZONE, bucket);
  await backUp(world, "after\n");
  assert.equal(await restored(world), "after\n");
  await verifyAll(world);
});

test("vault box compromised: its keys are revoked, the ledger is held against a checkpoint, a new box goes on", async () => {
  await using world = await startWorld();
  await backUp(world, "before\n");
  const checkpoint = join(world.dir, "checkpoint.json");
  await succeed(world, "operator", "verify", "--checkpoint", checkpoint);
  revoke(world.dropZoneAccount, "mover");
  revoke(world.vaultAccount, "mover");
  const stopped = await world.run("mover", ["run", "--once"]);
  assert.equal(stopped.exit, 4, stopped.stderr);
  await succeed(world, "operator", "verify", "--read", "--since", checkpoint);
  await newVaultBox(world);
  await backUp(world, "after\n");
  assert.equal(await restored(world), "after\n");
  await succeed(world, "operator", "verify", "--read", "--since", checkpoint);
});

/** Both access keys, the signing key and the machine are new; the mover's id and its ledger stay. */
async function newVaultBox(world: World): Promise<void> {
  const dropZone = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport, versioned: true });
  await replaceCredentials(world, "dropzone-mover", world.dropZoneAccount.createUser("mover-new", dropZone));
  const vault = moverVaultPolicy({ bucket: VAULT, secureTransport, verify: "checksum" });
  await replaceCredentials(world, "vault-mover", world.vaultAccount.createUser("mover-new", vault));
  await rm(join(world.dir, "state"), { recursive: true });
  const key = generateSigningKey();
  await writeFile(join(world.dir, "mover.key"), formatSigningKey(key), { mode: 0o600 });
  await sleep(1_100);
  const now = new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
  await edit(
    world.operatorConfig,
    /movers: \{ mover-a: \["([^"]+)"\] \}/,
    `movers: { mover-a: [{ key: "$1", until: "${now}" }, { key: "${key.public.text}", from: "${now}" }] }`,
  );
}

test("the vault's provider is gone: a copy of names and bytes is read in its place", async () => {
  await using world = await startWorld();
  await backUp(world, "before\n");
  const bucket = "acme-vault-copy";
  await copyVault(world, bucket);
  await edit(world.operatorConfig, `bucket: ${VAULT}`, `bucket: ${bucket}`);
  assert.match(await succeed(world, "operator", "ls"), /web1\/notes: 1 object/);
  assert.equal(await restored(world), "before\n");
  const { exit, stdout } = await world.run("operator", ["verify", "--read"]);
  assert.equal(exit, 5, stdout);
  assert.match(stdout, /object-changed|object-missing|version/);
});

test("the vault's provider is gone, and there is no copy: a new vault, a new mover, every set again", async () => {
  await using world = await startWorld();
  await backUp(world, "before\n");
  const bucket = "acme-vault-2";
  const elsewhere = world.server.createAccount("another-provider");
  elsewhere.createBucket(bucket, { objectLock: { mode: "COMPLIANCE", days: 1 } });
  await replaceCredentials(
    world,
    "vault-mover",
    elsewhere.createUser("mover", moverVaultPolicy({ bucket, secureTransport, verify: "checksum" })),
  );
  await replaceCredentials(
    world,
    "operator",
    elsewhere.createUser("operator", operatorPolicy({ bucket, secureTransport })),
  );
  await newMoverId(world, "mover-b");
  for (const file of [world.moverConfig, world.operatorConfig])
    await edit(file, `bucket: ${VAULT}`, `bucket: ${bucket}`);
  await backUp(world, "after\n");
  assert.equal(await restored(world), "after\n");
});

test("a mover's ledger is damaged: one with a new id goes on beside it, and the damage stays what verify names", async () => {
  await using world = await startWorld();
  await backUp(world, "before\n");
  await backUp(world, "between\n");
  const Key = "_airlock/ledger/mover-a/000000000001.jsonl";
  await world.vaultOwner.send(
    new PutObjectCommand({ Bucket: VAULT, Key, Body: "damaged", ChecksumAlgorithm: "CRC32" }),
  );
  await rm(join(world.dir, "state"), { recursive: true });
  assert.equal((await world.run("mover", ["run", "--once"])).exit, 5);
  await newMoverId(world, "mover-b");
  await backUp(world, "after\n");
  assert.equal(await restored(world), "after\n");
  const { exit, stdout } = await world.run("operator", ["--json", "verify", "--read"]);
  assert.equal(exit, 5);
  assert.match(stdout, /segment-damaged/);
  assert.ok(!stdout.includes("ledger/mover-b"), stdout);
});

/** What `rclone sync` makes of it: the current version of each object, under its name, with its metadata. */
async function copyVault(world: World, bucket: string): Promise<void> {
  const elsewhere = world.server.createAccount("another-provider");
  elsewhere.createBucket(bucket, { versioning: true });
  const all: PolicyDocument = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }],
  };
  const { endpoint, region } = world.server;
  const credentials = elsewhere.createUser("copier", all);
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  try {
    const { Contents = [] } = await world.vaultOwner.send(new ListObjectsV2Command({ Bucket: VAULT }));
    assert.ok(Contents.length > 2);
    for (const { Key } of Contents) {
      const { Body, Metadata } = await world.vaultOwner.send(new GetObjectCommand({ Bucket: VAULT, Key }));
      const bytes = (await Body?.transformToByteArray()) ?? assert.fail(Key);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: bytes, Metadata: Metadata ?? {} }));
    }
  } finally {
    client.destroy();
  }
  await replaceCredentials(
    world,
    "operator",
    elsewhere.createUser("operator", operatorPolicy({ bucket, secureTransport })),
  );
}

/** A ledger of its own, under a key of its own; the operator knows both. */
async function newMoverId(world: World, id: string): Promise<void> {
  const key = generateSigningKey();
  await writeFile(join(world.dir, "mover.key"), formatSigningKey(key), { mode: 0o600 });
  await edit(world.moverConfig, "id: mover-a", `id: ${id}`);
  await edit(world.operatorConfig, "movers: {", `movers: { ${id}: ["${key.public.text}"],`);
}

test("the read key is rotated: the new one reads, the old one does not, and a new kit has the new one", async () => {
  const { identity, recipient } = await generateAgeKeyPair(false);
  await using world = await startWorld({ recipient });
  await backUp(world, "before\n");
  revoke(world.vaultAccount, "operator");
  await refuse(world, 4, "operator", "verify");
  const fresh = world.vaultAccount.createUser("operator-new", operatorPolicy({ bucket: VAULT, secureTransport }));
  await replaceCredentials(world, "operator", fresh);
  await verifyAll(world);
  const args = ["--json", "kit", "--out", join(world.dir, "kit.pdf"), "--identity", "-"];
  const { exit, stdout, stderr } = await world.run("operator", args, { stdin: identity });
  assert.equal(exit, 0, stderr);
  assert.ok(stdout.includes(fresh.accessKeyId));
});

test("the age identity is rotated: new backups open with the new one, old ones with the old one alone", async () => {
  const [old, fresh] = [await generateAgeKeyPair(false), await generateAgeKeyPair(true)];
  await using world = await startWorld({ recipient: old.recipient });
  await backUp(world, "before\n");
  await sleep(10);
  const between = new Date().toISOString();
  await edit(world.uploaderConfig("web1"), old.recipient, fresh.recipient);
  await backUp(world, "after\n");
  const open = async (identity: string, ...args: string[]): Promise<{ exit: number | null; stdout: string }> =>
    world.run("operator", ["restore", "web1/notes", "--to", "-", "--identity", "-", ...args], { stdin: identity });
  assert.equal((await open(fresh.identity)).stdout, "after\n");
  assert.equal((await open(old.identity)).exit, 5);
  assert.equal((await open(old.identity, "--at", between)).stdout, "before\n");
  assert.equal((await open(fresh.identity, "--at", between)).exit, 5);
  const kit = await world.run("operator", ["kit", "--verify", "--identity", "-"], { stdin: fresh.identity });
  assert.equal(kit.exit, 0, kit.stderr);
});

test("access keys in files are rotated under a mover that runs", async () => {
  await using world = await startWorld();
  const running = world.start("mover", ["run"]);
  const dropZone = moverDropZonePolicy({ bucket: DROP_ZONE, secureTransport, versioned: true });
  await replaceCredentials(world, "dropzone-mover", world.dropZoneAccount.createUser("mover-new", dropZone));
  const vault = moverVaultPolicy({ bucket: VAULT, secureTransport, verify: "checksum" });
  await replaceCredentials(world, "vault-mover", world.vaultAccount.createUser("mover-new", vault));
  await sleep(12_000);
  revoke(world.dropZoneAccount, "mover");
  revoke(world.vaultAccount, "mover");
  await world.putSigned("web1", Buffer.from("after"));
  for (let tries = 0; (await world.listDropZone()).length > 0 && tries < 100; tries++) await sleep(200);
  running.process.kill("SIGTERM");
  const { exit, stderr } = await running.ended;
  assert.equal(exit, 0, stderr);
  assert.deepEqual(await world.listDropZone(), []);
  await verifyAll(world);
});
