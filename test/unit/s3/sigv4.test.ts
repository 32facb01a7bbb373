import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { hash } from "node:crypto";
import {
  canonicalize,
  encodePath,
  formatAmzDate,
  formatQuery,
  signHeaders,
  signString,
  stringToSign,
  type SignableRequest,
} from "../../../shared/s3/sigv4.ts";

const VECTORS = new URL("../../vectors/sigv4/", import.meta.url);

/**
 * In these, normalisation turns the path into another one (`/example/..` into `/`). S3 does not normalise: the same
 * requests are in the suite a second time, under `-unnormalized`, and those are run.
 */
const NORMALIZED_PATHS = [
  "get-relative-normalized",
  "get-relative-relative-normalized",
  "get-slash-dot-slash-normalized",
  "get-slash-normalized",
  "get-slash-pointless-dot-normalized",
  "get-slashes-normalized",
];

interface Context {
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string };
  readonly region: string;
  readonly service: string;
  readonly sign_body: boolean;
  readonly timestamp: string;
  readonly omit_session_token?: boolean;
}

interface Case {
  readonly context: Context;
  readonly request: SignableRequest;
}

function read(name: string, file: string): string {
  return readFileSync(new URL(`${name}/${file}`, VECTORS), "utf8");
}

function load(name: string): Case {
  // the vectors' own format
  const context = JSON.parse(read(name, "context.json")) as Context;
  const [head = "", body = ""] = read(name, "request.txt").split("\n\n");
  const [first = "", ...lines] = head.replaceAll(/\n[ \t]+/g, " ").split("\n");
  const [, method = "", target = ""] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first) ?? [];
  const [path = "", query = ""] = target.split("?");
  const headers = lines
    .filter((line) => line !== "")
    .map((line): [string, string] => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1),
    ]);
  headers.push(["x-amz-date", formatAmzDate(new Date(context.timestamp))]);
  const payloadHash = hash("sha256", body, "hex");
  if (context.sign_body) headers.push(["x-amz-content-sha256", payloadHash]);
  const { token } = context.credentials;
  if (token !== undefined && context.omit_session_token !== true) headers.push(["x-amz-security-token", token]);
  return { context, request: { method, path: encodePath(path), query: canonicalQuery(query), headers, payloadHash } };
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  return formatQuery(
    query.split("&").map((pair): [string, string] => {
      const [name = "", value = ""] = pair.split("=");
      return [decodeURIComponent(name), decodeURIComponent(value)];
    }),
  );
}

function credentialsOf({ credentials }: Context) {
  return { accessKeyId: credentials.access_key_id, secretAccessKey: credentials.secret_access_key };
}

describe("AWS's published vectors", () => {
  const names = readdirSync(VECTORS).toSorted();

  it("are all here", () => {
    assert.equal(names.length, 38);
    for (const name of NORMALIZED_PATHS) assert.ok(names.includes(name), name);
  });

  for (const name of names.filter((each) => !NORMALIZED_PATHS.includes(each))) {
    it(`${name}: canonical request, string to sign, signature and authorization are AWS's`, () => {
      const { context, request } = load(name);
      const amzDate = formatAmzDate(new Date(context.timestamp));
      const canonical = canonicalize(request);
      assert.equal(canonical.request, read(name, "header-canonical-request.txt"));
      const text = stringToSign(canonical.request, amzDate, context);
      assert.equal(text, read(name, "header-string-to-sign.txt"));
      const signature = signString(text, credentialsOf(context), amzDate, context);
      assert.equal(signature, read(name, "header-signature.txt"));
      const authorization = /^Authorization:(.*)$/m.exec(read(name, "header-signed-request.txt"))?.[1];
      const scope = `${credentialsOf(context).accessKeyId}/${amzDate.slice(0, 8)}/${context.region}/${context.service}/aws4_request`;
      assert.equal(
        `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=${canonical.signedHeaders}, Signature=${signature}`,
        authorization,
      );
    });
  }
});

describe("signHeaders", () => {
  const scope = { region: "eu-west-1", service: "s3" };
  const at = new Date("2026-11-21T02:15:00.987Z");
  const request: SignableRequest = {
    method: "GET",
    path: "/k",
    query: "",
    headers: [["host", "h"]],
    payloadHash: "UNSIGNED-PAYLOAD",
  };

  it("adds date, payload hash, session token and a signature over all of them", () => {
    const credentials = { accessKeyId: "AK", secretAccessKey: "s", sessionToken: "token" };
    const headers = new Map(signHeaders(request, credentials, at, scope));
    assert.equal(headers.get("x-amz-date"), "20261121T021500Z");
    assert.equal(headers.get("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert.equal(headers.get("x-amz-security-token"), "token");
    assert.match(
      headers.get("authorization") ?? "",
      /^AWS4-HMAC-SHA256 Credential=AK\/20261121\/eu-west-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    );
  });

  it("never reuses a derived key for another secret, day, region or service", () => {
    const signatures = new Set<string | undefined>();
    const sign = (secretAccessKey: string, day: string, region: string, service: string): void => {
      const headers = signHeaders(request, { accessKeyId: "AK", secretAccessKey }, new Date(day), { region, service });
      signatures.add(new Map(headers).get("authorization")?.slice(-64));
    };
    sign("one", "2026-11-21", "a", "s3");
    sign("two", "2026-11-21", "a", "s3");
    sign("one", "2026-11-22", "a", "s3");
    sign("one", "2026-11-21", "b", "s3");
    sign("one", "2026-11-21", "a", "sqs");
    sign("one", "2026-11-21", "a", "s3");
    assert.equal(signatures.size, 5);
  });
});

describe("encoding", () => {
  it("leaves dots, slashes and empty segments of a path alone", () => {
    assert.equal(encodePath("a//../b/./c"), "a//../b/./c");
  });

  it("encodes everything that RFC 3986 does not call unreserved", () => {
    assert.equal(encodePath("!*'() +?#&=%\n~-._ü"), "%21%2A%27%28%29%20%2B%3F%23%26%3D%25%0A~-._%C3%BC");
  });

  it("sorts a query by its encoded names", () => {
    assert.equal(
      formatQuery([
        ["b", "1"],
        ["a/", "2"],
        ["a", "x y"],
      ]),
      "a=x%20y&a%2F=2&b=1",
    );
  });
});
