import type { z } from "zod";
import type { Path } from "./faults.ts";

/** The keys that a schema knows at `path`, for a message about one that it does not know. */
export function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const keys = new Set<string>();
  for (const one of unwrap(schema)) {
    const { def } = one._zod;
    const [step, ...rest] = path;
    if (step === undefined) {
      if (def.type === "object") for (const key of Object.keys(def.shape)) keys.add(key);
      continue;
    }
    const inner = innerOf(def, step);
    if (inner !== undefined) for (const key of keysAt(inner, rest)) keys.add(key);
  }
  return [...keys];
}

function innerOf(def: z.core.$ZodTypes["_zod"]["def"], step: PropertyKey): z.core.$ZodType | undefined {
  switch (def.type) {
    case "object":
      return def.shape[String(step)];
    case "record":
      return def.valueType;
    case "array":
      return def.element;
    default:
      return undefined;
  }
}

/** What a schema takes, without what it does with it: a union is all of its options. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodTypes[] {
  // $ZodTypes is the closed union of zod's own schemas; all of ours are
  const known = schema as z.core.$ZodTypes;
  const { def } = known._zod;
  switch (def.type) {
    case "pipe":
      return unwrap(def.in);
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
      return unwrap(def.innerType);
    case "union":
      return def.options.flatMap(unwrap);
    default:
      return [known];
  }
}
