import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { z } from "zod";
import { moverSchema, readMoverConfig, unservedMoverKeys } from "../../../mover/config.ts";
import { operatorSchema, readOperatorConfig } from "../../../operator/config.ts";
import { parseConfig } from "../../../shared/config/read-config.ts";
import { readUploaderConfig, uploaderSchema } from "../../../uploader/config.ts";

const sampleOf = (role: string): string => `${import.meta.dirname}/../../../deploy/${role}.yaml`;

/** A line that begins with # and a key is an option that is switched off. */
function switchOn(sample: string): string {
  return sample.replaceAll(/^( *)#(?=\w+:)/gm, "$1");
}

const DAY_MS = 24 * 3_600_000;
const NOBODY = { success: null, failure: null, webhook: null };

test("the uploader's sample is a configuration as it is", async () => {
  const config = await readUploaderConfig(sampleOf("uploader"));
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  assert.equal(config.host, "web1");
  assert.deepEqual(config.compress, { level: 3, windowLog: null });
  assert.equal(config.bandwidthBytesPerSecond, null);
  assert.deepEqual([config.spoolLimitBytes, config.memoryBytes, config.jitterMs], [10 * 2 ** 30, 48 * 2 ** 20, 60_000]);
  assert.deepEqual(config.notify, NOBODY);
  assert.deepEqual(config.sets.get("postgres"), {
    kind: "command",
    schedule: { expression: "15 2 * * *", timeZone },
    commands: [["pg_dump", "-Fc", "shop"]],
    name: "shop.dump",
    timeLimitMs: DAY_MS,
    notify: NOBODY,
  });
  assert.deepEqual(config.sets.get("etc"), {
    kind: "paths",
    schedule: { expression: "@daily", timeZone },
    paths: ["/etc", "/home"],
    exclude: ["*.cache"],
    name: "etc",
    timeLimitMs: DAY_MS,
    notify: NOBODY,
  });
});

test("the uploader's sample is a configuration with every option switched on", async () => {
  const text = switchOn(await readFile(sampleOf("uploader"), "utf8"));
  const config = parseConfig(text, "uploader.yaml", uploaderSchema);
  assert.deepEqual(config.dropZone, {
    bucket: "acme-dropzone",
    region: "eu-central-1",
    endpoint: "https://s3.example.net",
    forcePathStyle: true,
    credentials: { kind: "profile", profile: "airlock-web1" },
    expectedBucketOwner: "111122223333",
    checksums: "auto",
  });
  assert.deepEqual(config.compress, { level: 3, windowLog: 27 });
  assert.equal(config.bandwidthBytesPerSecond, 20 * 1024 * 1024);
  const notify = {
    success: "https://hc.example.net/ping/web1",
    failure: "https://hc.example.net/ping/web1/fail",
    webhook: "https://hooks.example.net/airlock",
  };
  assert.deepEqual(config.notify, notify);
  assert.deepEqual(config.sets.get("logs"), {
    kind: "watch",
    folder: "/var/log/nginx/archive",
    after: "delete",
    settleMs: 10_000,
    notify,
  });
  assert.deepEqual(config.sets.get("ldap"), {
    kind: "command",
    schedule: null,
    commands: [
      ["systemctl", "is-active", "slapd"],
      ["slapcat", "-n", "1"],
    ],
    name: "ldap",
    timeLimitMs: DAY_MS,
    notify,
  });
  const shop = config.sets.get("postgres");
  assert.ok(shop?.kind === "command");
  assert.deepEqual(shop.schedule, { expression: "15 2 * * *", timeZone: "UTC" });
  const etc = config.sets.get("etc");
  assert.ok(etc?.kind === "paths");
  assert.deepEqual(etc.schedule, { expression: "@daily", timeZone: "Europe/Berlin" });
  assert.equal(shop.timeLimitMs, 6 * 3_600_000);
  assert.deepEqual(shop.notify, { ...notify, success: "https://hc.example.net/ping/shop" });
});

test("the mover's sample is a configuration as it is, all of which is served", async () => {
  const config = await readMoverConfig(sampleOf("mover"));
  assert.equal(config.id, "mover-a");
  assert.equal(config.verify, "checksum");
  assert.equal(config.storageClass, "STANDARD_IA");
  assert.deepEqual(config.discover, { pollMs: 1000, sqs: null, share: { index: 1, of: 1 } });
  assert.equal(config.concurrency, 32);
  assert.equal(config.memoryBytes, 512 * 1024 * 1024);
  const web1 = config.hosts.get("web1");
  assert.equal(web1?.signatures, "required");
  assert.equal(web1.publicKeys[0]?.text, "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=");
  assert.deepEqual(web1.quota, { bytesPerDay: null, objectsPerDay: null, objectSizeBytes: null });
  assert.deepEqual(unservedMoverKeys(config), []);
});

test("the mover's sample is a configuration with every option switched on", async () => {
  const text = switchOn(await readFile(sampleOf("mover"), "utf8"));
  const config = parseConfig(text, "mover.yaml", moverSchema);
  assert.equal(config.discover.sqs?.sweep, "*/10 * * * *");
  const web1 = config.hosts.get("web1");
  assert.deepEqual(web1?.expect.get("postgres"), { everyMs: 26 * 3_600_000, minSizeBytes: 1_048_576 });
  assert.deepEqual(web1.quota, {
    bytesPerDay: 50 * 2 ** 30,
    objectsPerDay: 1000,
    objectSizeBytes: 100 * 2 ** 30,
  });
  assert.deepEqual(config.alerts, {
    webhook: ["https://hooks.example.net/airlock"],
    heartbeat: "https://hc.example.net/ping/airlock",
    missingAfterMs: 3_600_000,
  });
  assert.equal(config.report, "/var/lib/airlock-mover/report.html");
});

test("the operator's sample is a configuration, as it is and with every option switched on", async () => {
  const config = await readOperatorConfig(sampleOf("operator"));
  assert.deepEqual(config.vault.credentials, { kind: "profile", profile: "vault-read" });
  assert.equal(config.movers.get("mover-a")?.length, 1);
  assert.equal(config.hosts.get("web1")?.length, 1);
  const text = switchOn(await readFile(sampleOf("operator"), "utf8"));
  assert.equal(parseConfig(text, "operator.yaml", operatorSchema).vault.endpoint, "https://s3.example.net");
});

for (const [role, schema] of [
  ["uploader", uploaderSchema],
  ["mover", moverSchema],
  ["operator", operatorSchema],
] as const) {
  test(`every key of the ${role}'s configuration is in its sample`, async () => {
    const sample = await readFile(sampleOf(role), "utf8");
    const missing = [...namesOf(schema)].filter((name) => !new RegExp(`\\b${name}:`).test(sample));
    assert.deepEqual(missing, []);
  });
}

/** The keys of all objects anywhere in a schema. */
function namesOf(schema: z.core.$ZodType, names = new Set<string>()): Set<string> {
  // the closed union of zod's own schemas
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "object") {
    for (const [name, inner] of Object.entries(def.shape)) namesOf(inner, names.add(name));
  } else if (def.type === "record") namesOf(def.valueType, names);
  else if (def.type === "array") namesOf(def.element, names);
  else if (def.type === "pipe") namesOf(def.in, names);
  else if (def.type === "optional" || def.type === "default") namesOf(def.innerType, names);
  else if (def.type === "union") for (const option of def.options) namesOf(option, names);
  return names;
}
