import assert from "node:assert/strict";
import { test } from "node:test";
import type { z } from "zod";
import { moverSchema } from "../../../mover/config.ts";
import { operatorSchema } from "../../../operator/config.ts";
import { parseConfig } from "../../../shared/config/read-config.ts";
import { AirlockError } from "../../../shared/errors.ts";
import { uploaderSchema } from "../../../uploader/config.ts";
import { INVALID_SAMPLES, VALID, type InvalidSample } from "./invalid-samples.ts";

const SCHEMAS: Record<InvalidSample["role"], z.ZodType> = {
  uploader: uploaderSchema,
  mover: moverSchema,
  operator: operatorSchema,
};

function textOf({ role, change }: Pick<InvalidSample, "role" | "change">): string {
  const lines = Object.values({ ...VALID[role], ...change }).filter((line) => line !== null);
  return lines.map((line) => `${line}\n`).join("");
}

for (const role of ["uploader", "mover", "operator"] as const) {
  test(`what the ${role}'s invalid samples are made from is valid`, () => {
    parseConfig(textOf({ role, change: {} }), "valid.yaml", SCHEMAS[role]);
  });
}

for (const sample of INVALID_SAMPLES) {
  test(`${sample.role}: ${sample.name}`, () => {
    assert.ok(sample.faults.length > 0);
    assert.throws(
      () => parseConfig(textOf(sample), "airlock.yaml", SCHEMAS[sample.role]),
      (error) => {
        assert.ok(error instanceof AirlockError);
        assert.equal(error.code, "config-invalid");
        assert.equal(error.subject, "airlock.yaml");
        const [first, ...faults] = error.message.split("\n");
        assert.deepEqual(
          faults,
          sample.faults.map((fault) => `airlock.yaml:${fault}`),
        );
        assert.equal(first, `the configuration has ${faults.length === 1 ? "1 fault" : `${faults.length} faults`}`);
        assert.doesNotMatch(error.message, /hunter/i, "a secret is repeated");
        return true;
      },
    );
  });
}
