import { z } from "zod";
import { durationSchema, sizeSchema } from "./units.ts";
import { mapOf, setName } from "./values.ts";

/** What has to arrive in a set for it to count as fresh. */
export interface Expectation {
  readonly everyMs: number;
  readonly minSizeBytes: number;
}

/** Of one host, by set: `{ postgres: { every: 26h, minSize: 1MiB } }` */
export const expectSchema = mapOf(
  setName,
  z
    .strictObject({
      every: durationSchema({ min: "1m", max: "3660d" }),
      minSize: sizeSchema().default(1),
    })
    .transform(({ every, minSize }): Expectation => ({ everyMs: every, minSizeBytes: minSize })),
);
