/**
 * Where credentials come from, as the AWS ecosystem has it: each source is served on loopback, and what the store then
 * sees is a request with the key and the session token that the source gave.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hostPolicy } from "../../../shared/policies.ts";
import { DROP_ZONE, startWorld, type Ran, type World } from "../../support/world.ts";
import {
  CONTAINER_TOKEN,
  SSO_TOKEN,
  startAwsServices,
  WEB_IDENTITY_TOKEN,
  type AwsServices,
  type TemporaryCredentials,
} from "./aws-services.ts";
import { createSelfSigned } from "../../s3-server/self-signed.ts";
import { startTlsFront, startTunnelProxy } from "./tls-front.ts";
import { startRelay, type Relay } from "./relay.ts";

const HOUR_MS = 3_600_000;
const NO_METADATA = { AWS_EC2_METADATA_DISABLED: "true" };
const stack = new AsyncDisposableStack();
let world: World;
let services: AwsServices;
let store: Relay;
let count = 0;

before(async () => {
  world = stack.use(await startWorld());
  services = stack.use(await startAwsServices(() => issue().credentials));
  store = stack.use(await startRelay(Number(new URL(world.server.endpoint).port)));
  await mkdir(join(world.dir, ".aws"));
});
after(() => stack.disposeAsync());

interface Issued {
  readonly user: string;
  readonly credentials: TemporaryCredentials;
}

/** A key of its own with the host's policy, that the store lets in with any token. */
function issue(validMs = HOUR_MS): Issued {
  count += 1;
  const user = `web1-session-${count}`;
  const policy = hostPolicy({ bucket: DROP_ZONE, host: "web1", secureTransport: false });
  const key = world.dropZoneAccount.createUser(user, policy);
  return {
    user,
    credentials: { ...key, sessionToken: `token-of-${user}`, expiration: new Date(Date.now() + validMs) },
  };
}

/** @param credentials the configuration's line; null: none, for the SDK's own chain */
async function writeConfig(credentials: string | null): Promise<string> {
  const file = join(world.dir, "uploader.yaml");
  const text = await readFile(world.uploaderConfig("web1"), "utf8");
  const given = credentials === null ? "" : `, credentials: ${credentials}`;
  await writeFile(
    file,
    text.replace(/, credentials: \{[^}]*\}/, given).replace(world.server.endpoint, `http://127.0.0.1:${store.port}`),
  );
  return file;
}

async function put(credentials: string | null, env: Readonly<Record<string, string>>): Promise<Ran> {
  const config = await writeConfig(credentials);
  store.seen.length = 0;
  return world.run("uploader", ["--json", "--config", config, "put", "-", "--set", "notes"], { stdin: "hello", env });
}

/** What was stored came with exactly this key and token. */
async function assertStoredWith(ran: Ran, accessKeyId: string, sessionToken: string | null): Promise<void> {
  assert.equal(ran.exit, 0, ran.stderr);
  const { key } = JSON.parse(ran.stdout) as { key: string }; // what put prints
  assert.ok((await world.listDropZone()).some((version) => version.key === key));
  assert.deepEqual(
    new Set(store.seen.map((one) => JSON.stringify(one))),
    new Set([JSON.stringify({ accessKeyId, sessionToken })]),
  );
}

/** For a source that gives temporary credentials; answers with what it was asked. */
async function assertServes(
  credentials: string | null,
  env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const { credentials: given } = issue();
  services.give = () => given;
  const before_ = services.asked.length;
  await assertStoredWith(await put(credentials, env), given.accessKeyId, given.sessionToken);
  return services.asked.slice(before_);
}

async function writeProfile(name: string, lines: readonly string[]): Promise<string> {
  await writeFile(join(world.dir, ".aws", "config"), `[profile ${name}]\n${lines.join("\n")}\n`, { mode: 0o600 });
  return `{ profile: ${name} }`;
}

test("environment: a key, and a session's token with it", async () => {
  const { credentials } = issue();
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const key = { ...NO_METADATA, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  await assertStoredWith(await put(null, key), accessKeyId, null);
  await assertStoredWith(await put(null, { ...key, AWS_SESSION_TOKEN: sessionToken }), accessKeyId, sessionToken);
});

test("profile: a key in ~/.aws/credentials, whatever the environment has", async () => {
  const { accessKeyId, secretAccessKey } = issue().credentials;
  const lines = `[web1]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  await writeFile(join(world.dir, ".aws", "credentials"), lines, { mode: 0o600 });
  const env = { AWS_ACCESS_KEY_ID: "AKIAOTHER", AWS_SECRET_ACCESS_KEY: "other" };
  await assertStoredWith(await put("{ profile: web1 }", env), accessKeyId, null);
});

test("files: an id and a secret, each in a file", async () => {
  const { accessKeyId, secretAccessKey } = issue().credentials;
  const [id, secret] = [join(world.dir, "key-id"), join(world.dir, "key-secret")];
  await writeFile(id, accessKeyId);
  await writeFile(secret, secretAccessKey, { mode: 0o600 });
  const ran = await put(`{ accessKeyIdFile: ${id}, secretAccessKeyFile: ${secret} }`, NO_METADATA);
  await assertStoredWith(ran, accessKeyId, null);
});

test("process: a profile's credential_process, as IAM Roles Anywhere has it", async () => {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = issue().credentials;
  const document = {
    Version: 1,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
  };
  const file = join(world.dir, "process.json");
  await writeFile(file, JSON.stringify({ ...document, Expiration: expiration.toISOString() }));
  const profile = await writeProfile("anywhere", [`credential_process = cat ${file}`]);
  await assertStoredWith(await put(profile, {}), accessKeyId, sessionToken);
});

test("IMDS: an instance's role, by version 2 of the service alone", async () => {
  const asked = await assertServes(null, { AWS_EC2_METADATA_SERVICE_ENDPOINT: services.endpoint });
  assert.equal(asked[0], "PUT /latest/api/token");
});

test("container: the credential endpoint of EKS Pod Identity and ECS, with its token", async () => {
  const tokenFile = join(world.dir, "container-token");
  await writeFile(tokenFile, CONTAINER_TOKEN);
  const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${services.endpoint}/v1/credentials` };
  for (const token of [
    { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile },
    { AWS_CONTAINER_AUTHORIZATION_TOKEN: CONTAINER_TOKEN },
  ]) {
    assert.deepEqual(await assertServes(null, { ...env, ...token }), ["GET /v1/credentials"]);
  }
});

test("web identity: a service account's token for a role (IRSA), at STS", async () => {
  const tokenFile = join(world.dir, "web-identity-token");
  await writeFile(tokenFile, WEB_IDENTITY_TOKEN);
  const env = {
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/airlock-web1",
    AWS_ENDPOINT_URL_STS: services.endpoint,
  };
  assert.deepEqual(await assertServes(null, env), ["POST AssumeRoleWithWebIdentity"]);
});

test("role: a profile's role_arn, assumed with another profile's key", async () => {
  const lines = "[source]\naws_access_key_id = AKIASOURCE\naws_secret_access_key = source\n";
  await writeFile(join(world.dir, ".aws", "credentials"), lines, { mode: 0o600 });
  const profile = await writeProfile("assumed", [
    "role_arn = arn:aws:iam::111122223333:role/airlock-web1",
    "source_profile = source",
  ]);
  assert.deepEqual(await assertServes(profile, { AWS_ENDPOINT_URL_STS: services.endpoint }), ["POST AssumeRole"]);
});

test("IAM Identity Center: a profile whose owner has logged in", async () => {
  await mkdir(join(world.dir, ".aws", "sso", "cache"), { recursive: true });
  const cached = join(world.dir, ".aws/sso/cache", `${createHash("sha1").update("acme").digest("hex")}.json`);
  const token = {
    accessToken: SSO_TOKEN,
    expiresAt: new Date(Date.now() + HOUR_MS).toISOString(),
    region: "eu-central-1",
  };
  await writeFile(cached, JSON.stringify({ ...token, startUrl: "https://acme.awsapps.com/start" }));
  await writeFile(
    join(world.dir, ".aws", "config"),
    `[profile admin]
sso_session = acme
sso_account_id = 111122223333
sso_role_name = Backup
[sso-session acme]
sso_region = eu-central-1
sso_start_url = https://acme.awsapps.com/start
`,
  );
  const asked = await assertServes("{ profile: admin }", { AWS_ENDPOINT_URL_SSO: services.endpoint });
  assert.match(asked.join(), /^GET \/federation\/credentials\?/);
});

test("credentials that expire during a long run are renewed in it", async () => {
  const [first, second] = [issue(4 * 60_000), issue(HOUR_MS)]; // the SDK renews what has less than five minutes left
  services.give = () => first.credentials;
  const config = await writeConfig(null);
  store.seen.length = 0;
  const piece = randomBytes(20_000_000);
  const source = createServer((_, response) => {
    response.write(piece);
    const stopObserving = world.server.onRequest(({ operation }) => {
      if (operation !== "UploadPart") return;
      stopObserving();
      services.give = () => second.credentials;
      response.end(piece);
    });
  });
  source.listen(0, "127.0.0.1");
  await once(source, "listening");
  const { port } = source.address() as AddressInfo; // it listens on a port
  const script = `fetch("http://127.0.0.1:${port}").then(({ body }) => body.pipeTo(require("stream").Writable.toWeb(process.stdout)))`;
  const command = ["put", "--set", "long", "--", process.execPath, "-e", script];
  const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: services.endpoint };
  const ran = await world.run("uploader", ["--json", "--config", config, ...command], { env });
  source.close();
  assert.equal(ran.exit, 0, ran.stderr);
  assert.partialDeepStrictEqual(JSON.parse(ran.stdout), { encoding: [], bytes: 2 * piece.length });
  // the former ones are good while new ones are fetched: requests that are under way at that time may still have them
  const tokens = store.seen.map(({ sessionToken }) => sessionToken);
  assert.equal(tokens[0], first.credentials.sessionToken);
  assert.equal(tokens.at(-1), second.credentials.sessionToken);
});

test("STS is reached through the proxy and with the private authority that the store is reached with", async () => {
  const certificate = createSelfSigned();
  const authority = join(world.dir, "ca.pem");
  await writeFile(authority, certificate.cert);
  await using front = await startTlsFront(Number(new URL(services.endpoint).port), certificate);
  await using proxy = await startTunnelProxy(null);
  const tokenFile = join(world.dir, "web-identity-token");
  await writeFile(tokenFile, WEB_IDENTITY_TOKEN);
  const asked = await assertServes(null, {
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/airlock-web1",
    AWS_ENDPOINT_URL_STS: `https://localhost:${front.port}`,
    NODE_EXTRA_CA_CERTS: authority,
    HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
  });
  assert.deepEqual(asked, ["POST AssumeRoleWithWebIdentity"]);
  assert.deepEqual(proxy.asked, [`localhost:${front.port}`]);
});

interface PrintedError {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

test("a source that gives none is told apart from a store that is down: exit 4, at once, nothing sent", async () => {
  services.refuses = true;
  const tokenFile = join(world.dir, "web-identity-token");
  const role = { AWS_ROLE_ARN: "arn:aws:iam::111122223333:role/airlock-web1", AWS_ENDPOINT_URL_STS: services.endpoint };
  const failing = await writeProfile("failing", ['credential_process = sh -c "echo a-secret >&2; exit 1"']);
  for (const [what, credentials, env] of [
    ["no source at all", null, NO_METADATA],
    ["a profile that is not there", "{ profile: nobody }", NO_METADATA],
    ["a process that fails", failing, NO_METADATA],
    ["an instance without a role", null, { AWS_EC2_METADATA_SERVICE_ENDPOINT: services.endpoint }],
    ["a role that STS refuses", null, { ...role, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile }],
    ["a token file that is not there", null, { ...role, AWS_WEB_IDENTITY_TOKEN_FILE: `${tokenFile}-not` }],
  ] as const) {
    const { exit, stdout, stderr } = await put(credentials, env);
    assert.equal(exit, 4, `${what}: ${stderr}`);
    const { error } = JSON.parse(stdout) as PrintedError; // what --json promises for errors
    assert.equal(error.code, "credentials-invalid", what);
    assert.notEqual(error.remedy, null);
    assert.doesNotMatch(stdout + stderr, /a-secret|"failures"/, what);
    assert.deepEqual(store.seen, []);
  }
});
