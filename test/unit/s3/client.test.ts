import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { StoreConfig } from "../../../shared/config/store-config.ts";
import { resolveAddress } from "../../../shared/s3/client.ts";
import { DEFAULT_TIMEOUTS, openNetwork, type Network } from "../../../shared/s3/network.ts";

const CONFIG: StoreConfig = {
  bucket: "acme-dropzone",
  region: "eu-central-1",
  endpoint: null,
  forcePathStyle: false,
  credentials: { kind: "files", accessKeyIdFile: "/nonexistent", secretAccessKeyFile: "/nonexistent" },
  expectedBucketOwner: null,
  checksums: "auto",
};

describe("where a bucket is, by the SDK's own rules", () => {
  let network: Network;
  before(() => {
    network = openNetwork({ timeouts: DEFAULT_TIMEOUTS, maxConnections: 1 });
  });
  after(() => network.close());

  async function locate(changes: Partial<StoreConfig>): Promise<string> {
    const config = { ...CONFIG, ...changes };
    const { origin, basePath } = await resolveAddress(config, network);
    return `${origin} ${basePath}`;
  }

  const cases: readonly [name: string, changes: Partial<StoreConfig>, expected: string][] = [
    ["AWS: the bucket in the host name", {}, "https://acme-dropzone.s3.eu-central-1.amazonaws.com "],
    ["AWS in China", { region: "cn-north-1" }, "https://acme-dropzone.s3.cn-north-1.amazonaws.com.cn "],
    ["AWS, path style", { forcePathStyle: true }, "https://s3.eu-central-1.amazonaws.com /acme-dropzone"],
    [
      "a dotted bucket, which no wildcard certificate covers",
      { bucket: "a.b" },
      "https://s3.eu-central-1.amazonaws.com /a.b",
    ],
    [
      "another store, path style",
      { endpoint: "http://127.0.0.1:9000", forcePathStyle: true },
      "http://127.0.0.1:9000 /acme-dropzone",
    ],
    ["another store, host style", { endpoint: "https://s3.example.net" }, "https://acme-dropzone.s3.example.net "],
    [
      "an endpoint with a path",
      { endpoint: "https://h.example/s3/", forcePathStyle: true },
      "https://h.example /s3/acme-dropzone",
    ],
    ["an IPv6 address", { endpoint: "https://[::1]:9000", forcePathStyle: true }, "https://[::1]:9000 /acme-dropzone"],
  ];
  for (const [name, changes, expected] of cases) {
    it(name, async () => assert.equal(await locate(changes), expected));
  }

  it("an endpoint from the environment does not count: only the configuration's was checked", async () => {
    process.env["AWS_ENDPOINT_URL_S3"] = "http://elsewhere.example";
    try {
      assert.equal(await locate({}), "https://acme-dropzone.s3.eu-central-1.amazonaws.com ");
    } finally {
      delete process.env["AWS_ENDPOINT_URL_S3"];
    }
  });
});
