import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAttributes, writeAttributes } from "../../../shared/s3/attributes.ts";

function written(metadata: string): string | undefined {
  return writeAttributes({ metadata: new Map([["k", metadata]]) }).find(([name]) => name === "x-amz-meta-k")?.[1];
}

describe("attributes", () => {
  it("carry metadata and six headers, and nothing else of what a host can set", () => {
    const headers = new Map([
      ["x-amz-meta-a", "1"],
      ["content-type", "t"],
      ["content-encoding", "gzip"],
      ["content-language", "de"],
      ["content-disposition", "d"],
      ["cache-control", "c"],
      ["expires", "e"],
      ["x-amz-storage-class", "GLACIER"],
      ["x-amz-tagging", "a=b"],
      ["x-amz-website-redirect-location", "/evil"],
      ["x-amz-object-lock-mode", "GOVERNANCE"],
      ["x-amz-acl", "public-read"],
    ]);
    const names = writeAttributes(readAttributes(headers)).map(([name]) => name);
    assert.deepEqual(names.toSorted(), [
      "cache-control",
      "content-disposition",
      "content-encoding",
      "content-language",
      "content-type",
      "expires",
      "x-amz-meta-a",
    ]);
  });

  it("leave plain values as they are", () => {
    for (const value of ["", "a", "a b c", "=?UTF-8?Q?x?=", 'a"b'] as const) assert.equal(written(value), value);
  });

  it("turn whatever could be canonicalised in two ways into one encoded word", () => {
    const decode = (text: string | undefined): string =>
      Buffer.from(/\?B\?(.*)\?=$/.exec(text ?? "")?.[1] ?? "", "base64").toString("latin1");
    for (const value of [
      "a  b",
      " a",
      "a ",
      "a\tb",
      "a\u00a0b",
      "\u00ff",
      "a\u0001b",
      Buffer.from("ü𝄞").toString("latin1"),
    ]) {
      const text = written(value);
      assert.match(text ?? "", /^=\?(UTF-8|ISO-8859-1)\?B\?[A-Za-z0-9+/=]*\?=$/);
      assert.equal(decode(text), value);
    }
  });

  it("cannot make a second header", () => {
    for (const value of ["a\r\nx-amz-acl: public-read", "a\nb", "a\0b"])
      assert.doesNotMatch(written(value) ?? "", /[\r\n\0]/);
  });

  it("never pass on the SDK's transfer framing as an encoding", () => {
    const encoding = (value: string): string | undefined =>
      readAttributes(new Map([["content-encoding", value]])).contentEncoding;
    assert.equal(encoding("aws-chunked"), undefined);
    assert.equal(encoding("gzip,aws-chunked"), "gzip");
    assert.equal(encoding("AWS-Chunked, zstd"), "zstd");
    assert.deepEqual(writeAttributes({ metadata: new Map(), contentEncoding: "aws-chunked" }), []);
  });
});
