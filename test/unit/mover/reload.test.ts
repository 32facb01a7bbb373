import assert from "node:assert/strict";
import { test } from "node:test";
import { moverSchema, type MoverConfig } from "../../../mover/config.ts";
import { mergeReload } from "../../../mover/reload.ts";
import { parseConfig } from "../../../shared/config/read-config.ts";

const KEY = "ed25519:UeMcmRtTWnd3Kve5kaZU2lNUF86CxPZjUfiFYKCkQdQ=";

function config(change: (text: string) => string = (text) => text): MoverConfig {
  const text = `id: mover-a
signingKey: /k
dropZone: { bucket: acme-dropzone, region: x }
vault: { bucket: acme-vault, region: x }
discover: { poll: 1s, share: 1/2 }
hosts:
  web1: { publicKeys: ["${KEY}"], quota: { bytesPerDay: 1GiB } }
  constructor: { signatures: none, expect: { etc: { every: 1d } } }
state: /state
`;
  return parseConfig(change(text), "mover.yaml", moverSchema);
}

test("the same file read again changes nothing", () => {
  assert.partialDeepStrictEqual(mergeReload(config(), config()), { changed: [], ignored: [], changedHosts: [] });
});

for (const [key, change, hosts] of [
  ["hosts", (text: string) => text.replace("1GiB", "2GiB"), ["web1"]],
  ["hosts", (text: string) => text.replace("constructor:", "web2:"), ["constructor", "web2"]],
  ["hosts", (text: string) => text.replace(`"${KEY}"`, `{ key: "${KEY}", until: 2027-01-01T00:00:00Z }`), ["web1"]],
  ["hosts", (text: string) => text.replace("every: 1d", "every: 2d"), ["constructor"]],
  ["discover.poll", (text: string) => text.replace("poll: 1s", "poll: 2s"), []],
  ["concurrency", (text: string) => `${text}concurrency: 7\n`, []],
  ["alerts", (text: string) => `${text}alerts: { missingAfter: 2h }\n`, []],
  ["metrics", (text: string) => `${text}metrics: { textfile: /x.prom }\n`, []],
] as const) {
  test(`${key} counts at once: ${String(change).slice("(text) => ".length)}`, () => {
    const next = config(change);
    const merged = mergeReload(config(), next);
    assert.deepEqual([merged.changed, merged.ignored, merged.changedHosts], [[key], [], hosts]);
    assert.deepEqual(merged.config, next);
  });
}

test("whatever else the file says is named, and stays as it was: no key of the configuration is left out", () => {
  const current = config();
  const changeable = new Set(["hosts", "concurrency", "alerts", "metrics"]);
  for (const key of Object.keys(current)) {
    const other = key === "hosts" ? new Map() : key === "discover" ? { ...current.discover, share: "2/2" } : "x";
    const merged = mergeReload(current, { ...current, [key]: other });
    if (changeable.has(key)) assert.deepEqual(merged.changed, [key]);
    else {
      assert.equal(merged.ignored.length, 1, key);
      assert.deepEqual([merged.changed, merged.config], [[], current], key);
    }
  }
});
