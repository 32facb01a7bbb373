/** Private certificate authorities and proxies, by the environment variables that every other program takes. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createSelfSigned } from "../../s3-server/self-signed.ts";
import { startWorld, type Ran, type World } from "../../support/world.ts";
import { startTlsFront, startTunnelProxy } from "./tls-front.ts";

const stack = new AsyncDisposableStack();
let world: World;
/** Of the store, by its address with TLS. */
let storePort = 0;
const configs = new Map<string, string>();
let authority = "";
let anotherAuthority = "";
let requests = 0;

before(async () => {
  world = stack.use(await startWorld());
  const certificate = createSelfSigned();
  storePort = stack.use(await startTlsFront(Number(new URL(world.server.endpoint).port), certificate)).port;
  authority = join(world.dir, "ca.pem");
  anotherAuthority = join(world.dir, "another-ca.pem");
  await writeFile(authority, certificate.cert);
  await writeFile(anotherAuthority, createSelfSigned().cert);
  await writeConfigs("right", `https://127.0.0.1:${storePort}`);
  await writeConfigs("misnamed", `https://store.invalid:${storePort}`);
  world.server.onRequest(() => void requests++);
});
after(() => stack.disposeAsync());

async function writeConfigs(name: string, endpoint: string): Promise<void> {
  const roles = { uploader: world.uploaderConfig("web1"), mover: world.moverConfig, operator: world.operatorConfig };
  for (const [role, file] of Object.entries(roles)) {
    const config = join(world.dir, `${role}-${name}.yaml`);
    await writeFile(config, (await readFile(file, "utf8")).replaceAll(world.server.endpoint, endpoint));
    configs.set(`${role} ${name}`, config);
  }
}

function configOf(role: string, name = "right"): string[] {
  return ["--json", "--config", configs.get(`${role} ${name}`) ?? ""];
}

function put(env: Readonly<Record<string, string>>, name = "right"): Promise<Ran> {
  return world.run("uploader", [...configOf("uploader", name), "put", "-", "--set", "notes"], { stdin: "hello", env });
}

async function assertStored(ran: Ran): Promise<void> {
  assert.equal(ran.exit, 0, ran.stderr);
  const { key } = JSON.parse(ran.stdout) as { key: string }; // what put prints
  assert.ok((await world.listDropZone()).some((version) => version.key === key));
}

interface PrintedError {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

function assertUntrusted(ran: Ran, remedy: RegExp): void {
  assert.equal(ran.exit, 3, ran.stderr);
  const { error } = JSON.parse(ran.stdout) as PrintedError; // what --json promises for errors
  assert.equal(error.code, "tls-untrusted");
  assert.match(error.remedy, remedy);
  // at once: a store that can't be reached is asked again for minutes, and each time is logged
  assert.doesNotMatch(ran.stderr, /"failures"|sweep-failed/);
}

test("a private authority that NODE_EXTRA_CA_CERTS names is trusted", async () => {
  await assertStored(await put({ NODE_EXTRA_CA_CERTS: authority }));
});

test("the system's authorities, or those of SSL_CERT_FILE, are trusted with NODE_USE_SYSTEM_CA=1", async () => {
  await assertStored(await put({ NODE_USE_SYSTEM_CA: "1", SSL_CERT_FILE: authority }));
});

test("a certificate that no known authority signed is refused at once, before anything is sent", async () => {
  requests = 0;
  assertUntrusted(await put({}), /NODE_EXTRA_CA_CERTS/);
  assertUntrusted(await put({ NODE_EXTRA_CA_CERTS: anotherAuthority }), /NODE_EXTRA_CA_CERTS/);
  assert.equal(requests, 0);
});

test("a certificate for another name is refused at once, before anything is sent", async () => {
  await using proxy = await startTunnelProxy(null);
  const env = { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` };
  requests = 0;
  assertUntrusted(await put(env, "misnamed"), /another name/);
  assert.equal(requests, 0);
  assert.equal(proxy.asked[0], `store.invalid:${storePort}`);
});

test("mover and operator refuse such a store at once, too", async () => {
  requests = 0;
  assertUntrusted(await world.run("mover", [...configOf("mover"), "run"]), /NODE_EXTRA_CA_CERTS/);
  assertUntrusted(await world.run("operator", [...configOf("operator"), "ls"]), /NODE_EXTRA_CA_CERTS/);
  assert.equal(requests, 0);
});

test("HTTPS_PROXY, with its user and password, is what the store is reached through", async () => {
  await using proxy = await startTunnelProxy("web1:p@ss word");
  const env = { NODE_EXTRA_CA_CERTS: authority };
  const url = `http://web1:p%40ss%20word@127.0.0.1:${proxy.port}`;
  await assertStored(await put({ ...env, HTTPS_PROXY: url }));
  assert.deepEqual(new Set(proxy.asked), new Set([`127.0.0.1:${storePort}`]));
  await assertStored(await put({ ...env, https_proxy: url }));
  assert.ok(proxy.asked.length > 1);
});

test("a certificate is verified through a proxy as well", async () => {
  await using proxy = await startTunnelProxy(null);
  requests = 0;
  assertUntrusted(await put({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }), /HTTPS_PROXY/);
  assert.equal(requests, 0);
  assert.ok(proxy.asked.length > 0);
});

test("what NO_PROXY names is reached without, and HTTP_PROXY is for nothing that Airlock sends", async () => {
  await using proxy = await startTunnelProxy(null);
  const url = `http://127.0.0.1:${proxy.port}`;
  await assertStored(await put({ NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: url, NO_PROXY: "127.0.0.1" }));
  await assertStored(await put({ NODE_EXTRA_CA_CERTS: authority, HTTP_PROXY: url }));
  assert.deepEqual(proxy.asked, []);
});

test("a proxy that wants another password is told from a store that is down, in the log of each attempt", async () => {
  await using proxy = await startTunnelProxy("web1:right");
  const env = { NODE_EXTRA_CA_CERTS: authority, HTTPS_PROXY: `http://web1:wrong@127.0.0.1:${proxy.port}` };
  const args = [...configOf("uploader"), "put", "-", "--set", "notes"];
  const running = world.start("uploader", args, { stdin: "hello", env });
  running.process.stderr?.on("data", (chunk: Buffer) => {
    if (chunk.includes("upload-retry")) running.process.kill("SIGTERM");
  });
  const { exit, stderr } = await running.ended;
  assert.equal(exit, 1, stderr);
  const retry = stderr.split("\n").find((line) => line.includes("upload-retry")) ?? "";
  assert.match(retry, /407/);
  assert.match(retry, /HTTPS_PROXY/);
  assert.doesNotMatch(stderr, /wrong@|wrong"/);
});
