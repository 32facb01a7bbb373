import assert from "node:assert/strict";
import { test } from "node:test";
import { moverSchema, refuseUnservedMoverKeys, unservedMoverKeys, type MoverConfig } from "../../../mover/config.ts";
import { parseConfig } from "../../../shared/config/read-config.ts";
import { isAirlockError } from "../../../shared/errors.ts";
import { uploaderSchema, type UploaderConfig } from "../../../uploader/config.ts";
import { VALID } from "./invalid-samples.ts";

function uploader(change: Record<string, string>): UploaderConfig {
  return parseConfig(Object.values({ ...VALID.uploader, ...change }).join("\n"), "uploader.yaml", uploaderSchema);
}

function mover(change: Record<string, string>): MoverConfig {
  return parseConfig(Object.values({ ...VALID.mover, ...change }).join("\n"), "mover.yaml", moverSchema);
}

const withEndpoint = (endpoint: string): Record<string, string> => ({
  dropZone: `dropZone: { bucket: acme-dropzone, region: garage, endpoint: ${endpoint} }`,
});

test("this machine's own http:// endpoints need no permission, others do", () => {
  for (const endpoint of ['"http://127.0.0.1:9000"', '"http://[::1]:9000/"', "http://localhost", '"http://127.1:1"']) {
    assert.match(uploader(withEndpoint(endpoint)).dropZone.endpoint ?? "", /^http:\/\/[^/]+$/, endpoint);
  }
  const strangers = [
    "http://127.0.0.1.example.net",
    "http://localhost.example.net",
    '"http://[::2]"',
    "http://10.0.0.1",
  ];
  for (const endpoint of strangers) assert.throws(() => uploader(withEndpoint(endpoint)), /allowPlaintext/, endpoint);
  const allowed = uploader(withEndpoint("http://10.0.0.1, allowPlaintext: true"));
  assert.equal(allowed.dropZone.endpoint, "http://10.0.0.1");
});

test("an endpoint keeps its path and loses its last slash", () => {
  const { dropZone } = uploader(withEndpoint("https://s3.example.net/storage/v1/"));
  assert.equal(dropZone.endpoint, "https://s3.example.net/storage/v1");
});

test("credentials come from the chain, a profile or two files", () => {
  const from = (credentials: string): UploaderConfig["dropZone"]["credentials"] => {
    return uploader(withEndpoint(`https://s3.example.net${credentials}`)).dropZone.credentials;
  };
  assert.deepEqual(from(""), { kind: "chain" });
  assert.deepEqual(from(", credentials: { profile: x }"), { kind: "profile", profile: "x" });
  assert.deepEqual(from(", credentials: { accessKeyIdFile: /a, secretAccessKeyFile: /b }"), {
    kind: "files",
    accessKeyIdFile: "/a",
    secretAccessKeyFile: "/b",
  });
});

test("backups go unencrypted only where the word none says so", () => {
  assert.equal(uploader({ encrypt: "encrypt: none" }).encrypt, "none");
  assert.throws(() => uploader({ encrypt: "" }), /encrypt: missing/);
});

test("a host's keys may say when they count", () => {
  const key = "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=";
  const { hosts } = mover({
    hosts: `hosts: { web1: { publicKeys: [{ key: "${key}", from: 2026-01-01T00:00:00Z, until: 2026-06-01T02:00:00+02:00 }] } }`,
  });
  const [parsed] = hosts.get("web1")?.publicKeys ?? [];
  assert.equal(parsed?.text, key);
  assert.equal(parsed.from?.toISOString(), "2026-01-01T00:00:00.000Z");
  assert.equal(parsed.until?.toISOString(), "2026-06-01T00:00:00.000Z");
});

test("a host that is said to sign nothing needs no key, and has no limits but those that are written", () => {
  assert.deepEqual(mover({ hosts: "hosts: { web1: { signatures: none, foreign: true } }" }).hosts.get("web1"), {
    publicKeys: [],
    signatures: "none",
    foreign: true,
    expect: new Map(),
    quota: { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null },
    setQuotas: new Map(),
  });
});

test("the same bucket's name at another endpoint is another bucket", () => {
  const { vault } = mover({
    vault: "vault: { bucket: acme-dropzone, region: x, endpoint: https://vault.example.net }",
  });
  assert.equal(vault.bucket, "acme-dropzone");
});

test("what a mover is asked for and does not do yet is refused by name", () => {
  const config = mover({
    discover: 'discover: { share: 2/3, sqs: { queueUrl: "https://sqs.example.net/q" } }',
    report: "report: /r.html",
  });
  assert.deepEqual(config.discover.share, { index: 2, of: 3 });
  const keys = unservedMoverKeys(config);
  assert.throws(
    () => refuseUnservedMoverKeys(config, "mover.yaml"),
    (error) => isAirlockError(error, "config-invalid") && keys.every((key) => error.message.includes(key)),
  );
  assert.deepEqual(unservedMoverKeys(mover({})), []);
});

test("a set's own time zone and addresses stand instead of the general ones, each by itself", () => {
  const config = uploader({
    timeZone: "timeZone: America/New_York",
    notify: "notify: { success: https://a.example.net/s, failure: https://a.example.net/f }",
    sets: 'sets:\n  a: { command: [x], schedule: "@daily", notify: { failure: https://b.example.net/f } }\n  b: { paths: [/x], schedule: "@daily", timeZone: UTC }',
  });
  const [a, b] = [config.sets.get("a"), config.sets.get("b")];
  assert.ok(a?.kind === "command" && b?.kind === "paths");
  assert.equal(a.schedule?.timeZone, "America/New_York");
  assert.equal(b.schedule?.timeZone, "UTC");
  assert.deepEqual(a.notify, { success: "https://a.example.net/s", failure: "https://b.example.net/f", webhook: null });
  assert.deepEqual(b.notify, config.notify);
});

test("a command stands for a list of one", () => {
  const config = uploader({ sets: "sets:\n  a: { command: [x, y] }\n  b: { commands: [[x, y], [z]] }" });
  const [a, b] = [config.sets.get("a"), config.sets.get("b")];
  assert.ok(a?.kind === "command" && b?.kind === "command");
  assert.deepEqual(a.commands, [["x", "y"]]);
  assert.deepEqual(b.commands, [["x", "y"], ["z"]]);
});
