import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isAirlockError } from "../../../shared/errors.ts";
import { isObjectName } from "../../../shared/names.ts";
import { baseNameOf, objectName } from "../../../uploader/object-name.ts";

const ALL = ["tar", "zstd", "age"] as const;

describe("objectName", () => {
  it("adds a suffix for each step, in order", () => {
    assert.equal(objectName("etc", ALL, false), "etc.tar.zst.age");
    assert.equal(objectName("shop.dump", ["zstd", "age"], false), "shop.dump.zst.age");
    assert.equal(objectName("shop.dump", [], false), "shop.dump");
  });

  it("cuts a file's own name that does not fit at a character, and keeps the suffixes", () => {
    const name = objectName("ä".repeat(127), ALL, false); // 254 bytes, as file systems allow
    assert.equal(name, `${"ä".repeat(115)}.tar.zst.age`);
    assert.equal(Buffer.byteLength(name), 242);
  });

  it("refuses a given name that does not fit", () => {
    assert.throws(
      () => objectName("x".repeat(231), ALL, true),
      (error) => isAirlockError(error, "usage"),
    );
    assert.equal(Buffer.byteLength(objectName("x".repeat(230), ALL, true)), 242);
  });

  it("refuses names that would be a statement's, or a path", () => {
    for (const name of ["x.airlock.json", "a/b", "..", ".", "", "a\0b"]) {
      assert.throws(
        () => objectName(name, [], true),
        (error) => isAirlockError(error, "usage"),
        JSON.stringify(name),
      );
    }
  });

  it("makes an object's name of whatever a file system has", () => {
    const fileName = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter((name) => !/[/\0]/.test(name) && name !== "." && name !== "..");
    fc.assert(
      fc.property(fileName, (name) => {
        assert.ok(isObjectName(objectName(name, ALL, false)));
      }),
    );
  });
});

describe("baseNameOf", () => {
  it("is the last part of a single path", () => {
    assert.equal(baseNameOf(["/var/lib/data/"], "s"), "data");
    assert.equal(baseNameOf(["notes.txt"], "s"), "notes.txt");
  });

  it("is the set's where a path has no name of its own, and for several", () => {
    assert.equal(baseNameOf(["/"], "root"), "root");
    assert.equal(baseNameOf(["."], "here"), "here");
    assert.equal(baseNameOf(["../.."], "up"), "up");
    assert.equal(baseNameOf(["/etc", "/home"], "both"), "both");
    assert.equal(baseNameOf([], "stdin"), "stdin");
  });
});
