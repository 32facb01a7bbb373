import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "node:test";
import { hostPolicy } from "../../../shared/policies.ts";
import { readUploaderConfig } from "../../../uploader/config.ts";
import { startS3Server, type PolicyDocument } from "../../s3-server/server.ts";

const main = fileURLToPath(new URL("../../../uploader/main.ts", import.meta.url));
const RECIPIENT = "age1u87jlw6znyafvpdhqrzl9n5ryzcpausy8gvpwex329u8vv089qeqvyxrwx";

describe("airlock-uploader init", () => {
  let folder: string;
  let configFile: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "airlock-init-"));
    configFile = join(folder, "etc", "uploader.yaml");
  });
  afterEach(() => {
    env = {};
    return rm(folder, { recursive: true });
  });

  /** Of the SDK's variables. No key, and nobody asks the network for one. */
  let env: Record<string, string> = {};

  async function run(...args: string[]): Promise<{ exit: number; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [main, "--config", configFile, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: folder, AWS_EC2_METADATA_DISABLED: "true", ...env },
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    const [exit] = (await once(child, "close")) as [number];
    return { exit, ...output };
  }

  const place = (): string[] => [
    "--host",
    "web1",
    "--bucket",
    "acme-dropzone",
    "--region",
    "eu-central-1",
    "--spool",
    join(folder, "spool"),
  ];

  it("writes a key that nobody else can read and a configuration that is valid, and prints the policy alone", async () => {
    const { exit, stdout, stderr } = await run("init", ...place(), "--recipient", RECIPIENT);
    assert.equal(exit, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), hostPolicy({ bucket: "acme-dropzone", host: "web1", secureTransport: true }));
    const keyFile = join(folder, "etc", "host.key");
    assert.equal((await stat(keyFile)).mode & 0o777, 0o600);
    assert.match(await readFile(keyFile, "utf8"), /^-----BEGIN PRIVATE KEY-----/);
    const config = await readUploaderConfig(configFile);
    assert.equal(config.host, "web1");
    assert.deepEqual(config.encrypt, { recipients: [RECIPIENT] });
    assert.match(stderr, /web1: \{ publicKeys: \["ed25519:[A-Za-z0-9+/]{43}="\] \}/);
    assert.match(stderr, /Next: .*policy/);
    assert.match(stderr, /could not be tried yet: .*credentials/i);
  });

  it("leaves TLS out of the policy only for plain http", async () => {
    const { stdout } = await run("init", ...place(), "--recipient", RECIPIENT, "--endpoint", "http://127.0.0.1:9000");
    assert.ok(!stdout.includes("SecureTransport"));
    assert.equal((await readUploaderConfig(configFile)).dropZone.forcePathStyle, true);
  });

  it("run again, replaces nothing and begins a new sequence", async () => {
    const first = await run("--json", "init", ...place(), "--no-encrypt");
    const [key, config] = [await readFile(join(folder, "etc", "host.key"), "utf8"), await readFile(configFile, "utf8")];
    const second = await run("--json", "init");
    assert.equal(second.exit, 0, second.stderr);
    const [one, two] = [JSON.parse(first.stdout), JSON.parse(second.stdout)] as {
      publicKey: string;
      epoch: string;
      policy: unknown;
    }[];
    assert.equal(two?.publicKey, one?.publicKey);
    assert.deepEqual(two?.policy, one?.policy);
    assert.notEqual(two?.epoch, one?.epoch);
    assert.equal(await readFile(join(folder, "etc", "host.key"), "utf8"), key);
    assert.equal(await readFile(configFile, "utf8"), config);
  });

  for (const [name, isWide, exit, message] of [
    ["the policy that it prints", false, 0, /^ok +create an object of its own +allowed +allowed$/m],
    ["a policy that allows all", true, 7, /this key can do more than it should: .*read an object/],
  ] as const) {
    it(`proves what a key with ${name} can do`, async () => {
      await using server = await startS3Server({ dir: join(folder, "store") });
      const account = server.createAccount("drop-zone");
      account.createBucket("acme-dropzone", { versioning: true });
      const own = hostPolicy({ bucket: "acme-dropzone", host: "web1", secureTransport: false });
      const all: PolicyDocument = {
        Version: "2012-10-17",
        Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }],
      };
      const { accessKeyId, secretAccessKey } = account.createUser("web1", isWide ? all : own);
      env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const ran = await run("init", ...place(), "--recipient", RECIPIENT, "--endpoint", server.endpoint);
      assert.equal(ran.exit, exit, ran.stderr);
      assert.deepEqual(JSON.parse(ran.stdout), own);
      assert.match(ran.stderr, message);
      const again = await run("--json", "init");
      assert.equal(again.exit, exit, again.stderr);
      const { check } = JSON.parse(again.stdout) as { check: { findings: { isExcess: boolean }[] } };
      assert.equal(
        check.findings.some(({ isExcess }) => isExcess),
        isWide,
      );
    });
  }

  it("spends no number of the sequence on a key that can store nothing yet", async () => {
    await using server = await startS3Server({ dir: join(folder, "store") });
    const account = server.createAccount("drop-zone");
    account.createBucket("acme-dropzone", { versioning: true });
    const { accessKeyId, secretAccessKey } = account.createUser("web1");
    env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const { exit, stderr } = await run("init", ...place(), "--recipient", RECIPIENT, "--endpoint", server.endpoint);
    assert.equal(exit, 0, stderr);
    assert.match(stderr, /could not be tried yet: .*403/);
    const status = await run("--json", "status");
    assert.equal((JSON.parse(status.stdout) as { sequence: { seq: number } }).sequence.seq, 0, status.stdout);
  });

  it("refuses values for a configuration that is there", async () => {
    await run("init", ...place(), "--no-encrypt");
    const { exit, stderr } = await run("init", "--host", "web2");
    assert.equal(exit, 2);
    assert.match(stderr, /there already/);
  });

  it("does not write over a file that is no key", async () => {
    await run("init", ...place(), "--no-encrypt");
    const keyFile = join(folder, "etc", "host.key");
    await writeFile(keyFile, "precious");
    const { exit } = await run("init");
    assert.equal(exit, 2);
    assert.equal(await readFile(keyFile, "utf8"), "precious");
  });

  for (const [name, args, message] of [
    ["no bucket", ["--host", "web1", "--region", "r", "--recipient", RECIPIENT], /--bucket/],
    [
      "neither recipient nor --no-encrypt",
      ["--host", "web1", "--bucket", "acme-dropzone", "--region", "r"],
      /--recipient/,
    ],
    [
      "a recipient and --no-encrypt",
      ["--host", "w", "--bucket", "bbb", "--region", "r", "--no-encrypt", "--recipient", RECIPIENT],
      /either/,
    ],
    [
      "what is not a recipient",
      ["--host", "web1", "--bucket", "bbb", "--region", "r", "--recipient", "age1x"],
      /age recipient/,
    ],
    ["what is not a host's name", ["--host", "Web One", "--bucket", "bbb", "--region", "r", "--no-encrypt"], /host/],
  ] as const) {
    it(`refuses ${name}, and writes nothing`, async () => {
      const { exit, stdout, stderr } = await run("init", ...args, "--spool", join(folder, "spool"));
      assert.equal(exit, 2, stderr);
      assert.match(stderr, message);
      assert.equal(stdout, "");
      await assert.rejects(stat(join(folder, "etc")), { code: "ENOENT" });
      await assert.rejects(stat(join(folder, "spool")), { code: "ENOENT" });
    });
  }
});
