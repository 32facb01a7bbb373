import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { parseSetup } from "./setup.ts";

const keys = { accessKeyId: "AKIAFIXEDFIXEDFIXED1", secretAccessKey: "fixed" };
const setup = {
  accounts: {
    acme: {
      users: { web1: { policies: [{ Statement: { Effect: "Allow", Action: "s3:*", Resource: "*" } }], keys } },
      buckets: { dropzone: { versioning: true } },
      queues: ["events"],
    },
  },
};

async function start(context: TestContext): Promise<{ child: ChildProcess; line: string }> {
  const dir = await mkdtemp(join(tmpdir(), "s3-server-main-"));
  await writeFile(join(dir, "setup.json"), JSON.stringify(setup));
  const main = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [main, "--dir", dir, "--setup", join(dir, "setup.json")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  context.after(async () => {
    child.kill("SIGKILL");
    await rm(dir, { recursive: true, force: true });
  });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, "exit").then(() => Promise.reject(new Error("the server ended before it listened")));
  // readline's event carries the line.
  const [line] = (await Promise.race([once(lines, "line"), ended])) as [string];
  ended.catch(() => undefined);
  return { child, line };
}

test("as a process it prints one line, serves fixed keys, and ends on SIGTERM", async (context) => {
  const { child, line } = await start(context);
  // The document that this folder's main.ts has just printed.
  const { endpoint, region, accounts } = JSON.parse(line) as {
    endpoint: string;
    region: string;
    accounts: { acme: { users: { web1: unknown }; queues: { events: { url: string } } } };
  };
  assert.deepEqual(accounts.acme.users.web1, keys);
  assert.match(accounts.acme.queues.events.url, /\/events$/);
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { ...keys } });
  await client.send(new PutObjectCommand({ Bucket: "dropzone", Key: "k", Body: "x" }));
  const { Body } = await client.send(new GetObjectCommand({ Bucket: "dropzone", Key: "k" }));
  assert.equal(await Body?.transformToString(), "x");
  client.destroy();
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("it ends when its stdin ends, so that it never outlives the test that started it", async (context) => {
  const { child } = await start(context);
  child.stdin?.end();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("a setup with an unknown key is refused", () => {
  assert.throws(() => parseSetup({ accounts: { a: { bucket: {} } } }), /accounts\.a\.bucket: not known/);
  assert.throws(() => parseSetup({ accounts: { a: { buckets: { b: { objectLock: { mode: "X" } } } } } }), /objectLock/);
});
