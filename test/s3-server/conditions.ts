/** Condition blocks of policies. IAM User Guide, "IAM JSON policy elements: Condition operators". */
import { BlockList } from "node:net";
import { compilePattern, expandVariables, matchPattern, type Pattern } from "./wildcard.ts";

/** The values of a condition key (lower case) for the request at hand; undefined when the key is absent. */
export type ConditionValues = (key: string) => readonly string[] | undefined;

type Comparison = (actual: string, expected: Pattern) => boolean;

interface Operator {
  readonly compare: Comparison;
  readonly negated: boolean;
}

export interface ConditionTest {
  readonly operator: Operator | "Null";
  readonly quantifier: "one" | "any" | "all";
  readonly ifExists: boolean;
  readonly key: string;
  readonly expected: readonly Pattern[];
}

/** Undoes the stand-ins of compilePattern for operators that know no wildcards. */
const plain = (pattern: Pattern): string => pattern.text.replaceAll("\u0001", "*").replaceAll("\u0002", "?");
const like: Comparison = (actual, expected) => matchPattern(expected, actual);
const numbers =
  (test: (actual: number, expected: number) => boolean): Comparison =>
  (actual, expected) =>
    actual !== "" && plain(expected) !== "" && test(Number(actual), Number(plain(expected)));
const dates =
  (test: (actual: number, expected: number) => boolean): Comparison =>
  (actual, expected) =>
    test(toTime(actual), toTime(plain(expected)));

const comparisons = new Map<string, Comparison>([
  ["StringEquals", (actual, expected) => actual === plain(expected)],
  ["StringEqualsIgnoreCase", (actual, expected) => actual.toLowerCase() === plain(expected).toLowerCase()],
  ["StringLike", like],
  ["ArnEquals", like],
  ["ArnLike", like],
  ["Bool", (actual, expected) => actual.toLowerCase() === plain(expected).toLowerCase()],
  ["NumericEquals", numbers((a, b) => a === b)],
  ["NumericLessThan", numbers((a, b) => a < b)],
  ["NumericLessThanEquals", numbers((a, b) => a <= b)],
  ["NumericGreaterThan", numbers((a, b) => a > b)],
  ["NumericGreaterThanEquals", numbers((a, b) => a >= b)],
  ["DateEquals", dates((a, b) => a === b)],
  ["DateLessThan", dates((a, b) => a < b)],
  ["DateLessThanEquals", dates((a, b) => a <= b)],
  ["DateGreaterThan", dates((a, b) => a > b)],
  ["DateGreaterThanEquals", dates((a, b) => a >= b)],
  ["IpAddress", (actual, expected) => isInside(actual, plain(expected))],
]);

/** Each negated operator, and the one it negates. */
const negations = new Map([
  ["StringNotEquals", "StringEquals"],
  ["StringNotEqualsIgnoreCase", "StringEqualsIgnoreCase"],
  ["StringNotLike", "StringLike"],
  ["ArnNotEquals", "ArnEquals"],
  ["ArnNotLike", "ArnLike"],
  ["NumericNotEquals", "NumericEquals"],
  ["DateNotEquals", "DateEquals"],
  ["NotIpAddress", "IpAddress"],
]);

function toTime(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

function isInside(address: string, range: string): boolean {
  const [network = "", bits] = range.split("/");
  const family = network.includes(":") ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits), family);
  return list.check(address, address.includes(":") ? "ipv6" : "ipv4");
}

export function parseConditions(block: unknown, fail: (message: string) => Error): ConditionTest[] {
  if (block === undefined) return [];
  if (typeof block !== "object" || block === null || Array.isArray(block)) throw fail("Condition must be an object");
  return Object.entries(block).flatMap(([name, keys]: [string, unknown]) => {
    if (typeof keys !== "object" || keys === null) throw fail(`Condition ${name} must be an object`);
    const { operator, quantifier, ifExists } = parseOperator(name, fail);
    return Object.entries(keys).map(([key, value]: [string, unknown]) => {
      const values: unknown[] = Array.isArray(value) ? value : [value];
      const expected = values.map((item) => {
        if (typeof item !== "string" && typeof item !== "boolean" && typeof item !== "number") {
          throw fail(`Condition ${name} has an invalid value`);
        }
        return compilePattern(String(item));
      });
      if (!/^(s3|aws|sqs):[A-Za-z0-9/._ +=:@-]+$/i.test(key)) throw fail("Policy has an invalid condition key");
      return { operator, quantifier, ifExists, key: key.toLowerCase(), expected };
    });
  });
}

function parseOperator(
  name: string,
  fail: (message: string) => Error,
): Pick<ConditionTest, "operator" | "quantifier" | "ifExists"> {
  const match = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/.exec(name);
  const base = match?.[2] ?? "";
  const quantifier = match?.[1] === "ForAnyValue" ? "any" : match?.[1] === "ForAllValues" ? "all" : "one";
  const ifExists = match?.[3] !== undefined;
  if (base === "Null" && !ifExists) return { operator: "Null", quantifier, ifExists };
  const compare = comparisons.get(negations.get(base) ?? base);
  if (compare === undefined) throw fail(`Invalid Condition type : ${name}`);
  return { operator: { compare, negated: negations.has(base) }, quantifier, ifExists };
}

export function isConditionMet(test: ConditionTest, values: ConditionValues): boolean {
  const actual = values(test.key);
  if (test.operator === "Null") {
    return test.expected.some((expected) => plain(expected).toLowerCase() === String(actual === undefined));
  }
  const { compare, negated } = test.operator;
  if (actual === undefined) return test.ifExists || test.quantifier === "all" || (negated && test.quantifier === "one");
  const expected = test.expected
    .map((pattern) => expandVariables(pattern, values))
    .filter((pattern) => pattern !== undefined);
  const meets = (value: string): boolean => expected.some((pattern) => compare(value, pattern)) !== negated;
  return test.quantifier === "any" || (test.quantifier === "one" && !negated)
    ? actual.some(meets)
    : actual.every(meets);
}
