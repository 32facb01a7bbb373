import type { z } from "zod";
import { nearestOf } from "./nearest.ts";
import { keysAt } from "./schema-keys.ts";
import type { YamlFile } from "./yaml-file.ts";

export type Path = readonly PropertyKey[];

export interface Fault {
  readonly line: number;
  /** `dropZone.credentials`, `hosts.web1.publicKeys[0]`; empty for the file as a whole. */
  readonly path: string;
  readonly text: string;
}

/** Keys that people write where the secret itself would follow. */
const INLINE_SECRETS = new Set(
  ["secretAccessKey", "accessKeyId", "sessionToken", "password", "passphrase", "secret", "token", "identity"].flatMap(
    (key) => [key.toLowerCase(), `aws${key.toLowerCase()}`],
  ),
);

/** Keys whose values are not repeated in a message: addresses with a token in them, credentials, keys. */
const PRIVATE_KEYS = new Set(["credentials", "webhook", "heartbeat", "notify", "command", "commands"]);
const PRIVATE_TEXT = /AGE-SECRET-KEY|PRIVATE KEY|:\/\/[^/]*@/i;
const MAX_QUOTED = 100;

type Issue = z.core.$ZodIssue;

/** What was expected, for the issues to which a schema gives no words of its own. */
export function expectationOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return typeName(issue.expected);
    case "invalid_value":
      return listOf(issue.values.map(String));
    case "too_small":
      return `at least ${String(issue.minimum)}${issue.origin === "array" ? " entries" : ""}`;
    case "too_big":
      return `at most ${String(issue.maximum)}${issue.origin === "array" ? " entries" : ""}`;
    case "invalid_union":
      return "another kind of value";
    default:
      return issue.message ?? "another value";
  }
}

function typeName(expected: string): string {
  switch (expected) {
    case "object":
    case "record":
    case "map":
      return "a map (key: value)";
    case "array":
    case "tuple":
      return "a list";
    case "boolean":
      return "true or false";
    case "string":
      return "text";
    case "int":
      return "a whole number";
    default:
      return `a ${expected}`;
  }
}

/** `a`, `a or b`, `a, b or c` */
function listOf(words: readonly string[]): string {
  return new Intl.ListFormat("en-GB", { type: "disjunction" }).format(words);
}

export function faultsOf(issues: readonly Issue[], yaml: YamlFile, schema: z.core.$ZodType): Fault[] {
  const faults = issues
    .filter((issue) => !isAftermath(issue, issues))
    .flatMap((issue) => faultsOfIssue(issue, [], yaml, schema));
  // two rules may find the same fault
  return faults.filter(({ line, path, text }, index) => {
    return index === faults.findIndex((one) => one.line === line && one.path === path && one.text === text);
  });
}

/** A rule about which keys a map has says nothing new where one of its keys is misspelt. */
function isAftermath(issue: Issue, issues: readonly Issue[]): boolean {
  if (issue.code !== "custom") return false;
  const path = formatPath(issue.path);
  return issues.some((other) => other.code === "unrecognized_keys" && formatPath(other.path) === path);
}

function faultsOfIssue(issue: Issue, above: Path, yaml: YamlFile, schema: z.core.$ZodType): Fault[] {
  const path = [...above, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => {
        const line = yaml.lineOfKey([...path, key]);
        return { line, path: formatPath([...path, key]), text: unknownKey(key, keysAt(schema, path)) };
      });
    case "invalid_key": {
      const expected = issue.issues[0]?.message ?? "another key";
      return [
        {
          line: yaml.lineOfKey(path),
          path: formatPath(path),
          text: `found the key ${quote(String(path.at(-1)))}, expected ${expected}`,
        },
      ];
    }
    case "invalid_union": {
      const branch = closestBranch(issue.errors);
      if (branch !== null) return branch.flatMap((inner) => faultsOfIssue(inner, path, yaml, schema));
      break;
    }
    default:
  }
  const found = describe(valueAt(yaml.value, path), path);
  const text = found === null ? `missing, expected ${issue.message}` : `found ${found}, expected ${issue.message}`;
  return [{ line: yaml.lineOf(path), path: formatPath(path), text }];
}

/** The one alternative of a union that the value was meant to be, when only one is of its type. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | null {
  const likely = branches.filter((issues) => {
    return !issues.some(({ code, path }) => path.length === 0 && (code === "invalid_type" || code === "invalid_value"));
  });
  return likely.length === 1 ? (likely[0] ?? null) : null;
}

function unknownKey(key: string, known: readonly string[]): string {
  if (INLINE_SECRETS.has(key.toLowerCase().replaceAll(/[_-]/g, ""))) {
    return "secrets never stand in the configuration: put it into a file of its own (credentials: { accessKeyIdFile, secretAccessKeyFile }) or name a profile";
  }
  const nearest = nearestOf(key, known);
  if (nearest !== null) return `unknown key, did you mean ${nearest}?`;
  return known.length > 0 ? `unknown key, expected ${listOf(known)}` : "unknown key";
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

/** What stands there, in words that give no secret away; null for nothing. */
function describe(value: unknown, path: Path): string | null {
  if (value === undefined) return null;
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return "a map";
  const hidden = path.some((step) => PRIVATE_KEYS.has(String(step))) || PRIVATE_TEXT.test(value);
  return hidden ? "a text that is not repeated here" : quote(value);
}

function quote(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}

function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += `${text === "" ? "" : "."}${/^[\w.-]+$/.test(String(step)) ? String(step) : quote(String(step))}`;
  }
  return text;
}
