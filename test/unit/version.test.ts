import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { VERSION } from "../../shared/version.ts";

test("the version that programs print is the package's", () => {
  const json: unknown = JSON.parse(readFileSync(`${import.meta.dirname}/../../package.json`, "utf8"));
  assert.equal(VERSION, z.looseObject({ version: z.string() }).parse(json).version);
});
