import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { z } from "zod";
import { AirlockError, exitCodeOf } from "../../../shared/errors.ts";
import { parseConfig, readConfig, refuseUnserved } from "../../../shared/config/read-config.ts";
import { mapOf, hostName } from "../../../shared/config/values.ts";

const schema = z.strictObject({ a: z.string(), b: z.number().optional() });
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "airlock-config-"));
});
after(() => rm(folder, { recursive: true }));

function failsWith(message: RegExp | string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AirlockError);
    assert.equal(error.code, "config-invalid");
    assert.equal(exitCodeOf(error), 2);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

test("a file becomes what its schema makes of it", async () => {
  const file = join(folder, "good.yaml");
  await writeFile(file, "a: text # with a comment\nb: 5\n");
  assert.deepEqual(await readConfig(file, schema), { a: "text", b: 5 });
});

test("a missing file says how to make one", async () => {
  const file = join(folder, "absent.yaml");
  await assert.rejects(readConfig(file, schema), (error) => {
    assert.ok(error instanceof AirlockError);
    assert.equal(error.message, "there is no configuration");
    assert.equal(error.subject, file);
    assert.match(error.remedy ?? "", /`init`/);
    return error.code === "config-invalid";
  });
});

test("a folder is not a configuration", async () => {
  await mkdir(join(folder, "folder.yaml"));
  await assert.rejects(readConfig(join(folder, "folder.yaml"), schema), failsWith(/cannot be read: EISDIR/));
});

test("a file over 1 MiB is refused, one of exactly 1 MiB is not", async () => {
  const file = join(folder, "large.yaml");
  const line = "a: text #";
  await writeFile(file, line.padEnd(1_048_576, "x"));
  assert.deepEqual(await readConfig(file, schema), { a: "text" });
  await writeFile(file, line.padEnd(1_048_577, "x"));
  await assert.rejects(readConfig(file, schema), failsWith("the configuration is larger than 1 MiB"));
});

test("what is not UTF-8 is refused", async () => {
  const file = join(folder, "latin1.yaml");
  await writeFile(file, Buffer.from("a: caf\xe9\n", "latin1"));
  await assert.rejects(readConfig(file, schema), failsWith("the configuration is not text in UTF-8"));
});

test("aliases serve, and do not multiply without bound", () => {
  const lists = z.record(z.string(), z.array(z.unknown()));
  assert.deepEqual(parseConfig("a: &a [1]\nb: *a\n", "f", lists), { a: [1], b: [1] });
  const bomb = ["a0: &a0 [x]"];
  for (let level = 1; level < 9; level += 1) {
    const below = `*a${level - 1}`;
    bomb.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => below).join(", ")}]`);
  }
  assert.throws(() => parseConfig(bomb.join("\n"), "f", lists), failsWith(/found more than 100 aliases/));
});

test("nesting without end is a fault like any other", () => {
  assert.throws(
    () => parseConfig("[".repeat(100_000), "f", schema),
    failsWith(/^the configuration has 1 fault\nf:1: /),
  );
});

test("more than fifty faults are counted, not listed", () => {
  const text = Array.from({ length: 60 }, (_, index) => `k${index}: 1`).join("\n");
  assert.throws(
    () => parseConfig(text, "f", schema),
    (error) => {
      assert.ok(error instanceof AirlockError);
      const lines = error.message.split("\n");
      assert.equal(lines[0], "the configuration has 61 faults");
      assert.equal(lines.length, 52);
      assert.equal(lines.at(-1), "and 11 more");
      return true;
    },
  );
});

test("hosts with the names of properties are hosts like any other", () => {
  const hosts = mapOf(hostName, z.strictObject({ k: z.number() }));
  const map = parseConfig("constructor: { k: 1 }\nvalueof: { k: 2 }\nhasownproperty: { k: 3 }\n", "f", hosts);
  assert.deepEqual([...map.keys()], ["constructor", "valueof", "hasownproperty"]);
  assert.deepEqual(map.get("constructor"), { k: 1 });
  assert.equal(map.get("toString"), undefined);
});

test("a key that is understood and not served is refused by name", () => {
  assert.throws(
    () => refuseUnserved(["report", "discover.sqs"], "f"),
    failsWith("this version does not serve report, discover.sqs yet"),
  );
  refuseUnserved([], "f");
});
