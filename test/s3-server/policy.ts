/** Policy documents: parsing and matching. IAM User Guide, "IAM JSON policy elements reference". */
import { isConditionMet, parseConditions, type ConditionTest, type ConditionValues } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import { compilePattern, expandVariables, matchPattern, type Pattern } from "./wildcard.ts";

export type OneOrMore = string | readonly string[];

export interface PolicyStatement {
  readonly Sid?: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?:
    | "*"
    | { readonly AWS?: OneOrMore; readonly Service?: OneOrMore; readonly CanonicalUser?: OneOrMore };
  readonly NotPrincipal?: "*" | { readonly AWS?: OneOrMore };
  readonly Action?: OneOrMore;
  readonly NotAction?: OneOrMore;
  readonly Resource?: OneOrMore;
  readonly NotResource?: OneOrMore;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, ConditionScalar | readonly ConditionScalar[]>>>>;
}
export type ConditionScalar = string | boolean | number;

export interface PolicyDocument {
  readonly Version?: string;
  readonly Id?: string;
  readonly Statement: PolicyStatement | readonly PolicyStatement[];
}

/** Who makes a request. */
export interface Principal {
  readonly accountId: string;
  /** Undefined: the account's root. */
  readonly userName: string | undefined;
  readonly arn: string;
}

interface PatternSet {
  readonly negated: boolean;
  readonly patterns: readonly Pattern[];
}

export interface Statement {
  readonly sid: string;
  readonly effect: "Allow" | "Deny";
  readonly actions: PatternSet;
  readonly resources: PatternSet;
  /** Undefined in identity policies. */
  readonly principals: { readonly negated: boolean; readonly names: readonly string[] } | undefined;
  readonly conditions: readonly ConditionTest[];
}

const statementKeys = new Set([
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
]);

/** Parses and checks a document; what is not understood is refused, never ignored. */
export function parsePolicy(document: unknown, kind: "identity" | "bucket", bucket?: string): Statement[] {
  const policy = asRecord(document, "a policy is a JSON object");
  for (const key of Object.keys(policy)) {
    if (!["Version", "Id", "Statement"].includes(key)) throw malformedPolicy(`Unknown field ${key}`);
  }
  const version = policy["Version"];
  if (version !== undefined && version !== "2012-10-17" && version !== "2008-10-17") {
    throw malformedPolicy("The policy must contain a valid version string");
  }
  const raw = policy["Statement"];
  const statements = (Array.isArray(raw) ? raw : [raw]).map((statement) => parseStatement(statement, kind));
  if (statements.length === 0) throw malformedPolicy("Missing required field Statement");
  if (bucket !== undefined) for (const statement of statements) checkBucketResources(statement, bucket);
  return statements;
}

function parseStatement(value: unknown, kind: "identity" | "bucket"): Statement {
  const statement = asRecord(value, "a statement is a JSON object");
  for (const key of Object.keys(statement)) if (!statementKeys.has(key)) throw malformedPolicy(`Unknown field ${key}`);
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") throw malformedPolicy("Missing required field Effect");
  const hasPrincipal = "Principal" in statement || "NotPrincipal" in statement;
  if (hasPrincipal !== (kind === "bucket")) {
    throw malformedPolicy(
      kind === "bucket" ? "Missing required field Principal" : "Policy document should not specify a principal.",
    );
  }
  const sid = statement["Sid"];
  return {
    sid: typeof sid === "string" ? sid : "",
    effect,
    actions: parsePatterns(statement, "Action", (text) => text.toLowerCase()),
    resources: parsePatterns(statement, "Resource", (text) => text),
    principals: kind === "bucket" ? parsePrincipals(statement) : undefined,
    conditions: parseConditions(statement["Condition"], malformedPolicy),
  };
}

function parsePatterns(
  statement: Record<string, unknown>,
  name: "Action" | "Resource",
  normalise: (text: string) => string,
): PatternSet {
  const negated = `Not${name}` in statement;
  if (negated === name in statement) throw malformedPolicy(`Exactly one of ${name} and Not${name} is required`);
  const texts = strings(statement[negated ? `Not${name}` : name], name);
  for (const text of texts) {
    const isValid =
      name === "Action" ? /^(\*|[a-zA-Z0-9-]+:[a-zA-Z*?]+)$/.test(text) : text === "*" || text.startsWith("arn:");
    if (!isValid) throw malformedPolicy(`Policy has invalid ${name.toLowerCase()}`);
  }
  return { negated, patterns: texts.map((text) => compilePattern(normalise(text))) };
}

function parsePrincipals(statement: Record<string, unknown>): { negated: boolean; names: string[] } {
  const negated = "NotPrincipal" in statement;
  const value = statement[negated ? "NotPrincipal" : "Principal"];
  if (value === "*") return { negated, names: ["*"] };
  const record = asRecord(value, "Invalid principal in policy");
  const names: string[] = [];
  for (const [kind, entries] of Object.entries(record)) {
    if (kind === "Service") {
      names.push(...strings(entries, "Principal").map((name) => `service:${name}`));
      continue;
    }
    if (kind !== "AWS") throw malformedPolicy("Invalid principal in policy");
    for (const name of strings(entries, "Principal")) {
      const isValid = /^(\*|\d{12}|arn:aws:iam::\d{12}:(root|(user|role)\/[^*?]+)|arn:aws:sts::\d{12}:.+)$/.test(name);
      if (!isValid) throw malformedPolicy("Invalid principal in policy");
      names.push(/^\d{12}$/.test(name) ? `arn:aws:iam::${name}:root` : name);
    }
  }
  if (names.length === 0) throw malformedPolicy("Invalid principal in policy");
  return { negated, names };
}

function checkBucketResources(statement: Statement, bucket: string): void {
  const own = `arn:aws:s3:::${bucket}`;
  for (const { source } of statement.resources.patterns) {
    const isOwn = matchPattern(compilePattern(source.split("/")[0] ?? ""), own);
    if (!isOwn) throw malformedPolicy("Policy has invalid resource");
  }
}

function strings(value: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item !== "string") throw malformedPolicy(`${what} must be a string or a list of strings`);
    return item;
  });
}

function asRecord(value: unknown, message: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformedPolicy(message);
  // An object that is neither null nor an array; its values stay unknown.
  return value as Record<string, unknown>;
}

export function malformedPolicy(message: string): S3Error {
  return new S3Error("MalformedPolicy", message);
}

/** How a statement's principals relate to the one who asks: by its own name (or `*`), through its account, or not. */
export type PrincipalMatch = "direct" | "account" | "none";

export function matchPrincipal(statement: Statement, principal: Principal | undefined): PrincipalMatch {
  const { negated, names } = statement.principals ?? { negated: false, names: ["*"] };
  const found = names.map((name) => matchOnePrincipal(name, principal));
  if (negated) return found.every((match) => match === "none") ? "direct" : "none";
  return found.includes("direct") ? "direct" : found.includes("account") ? "account" : "none";
}

function matchOnePrincipal(name: string, principal: Principal | undefined): PrincipalMatch {
  if (name === "*") return "direct";
  if (principal === undefined) return "none";
  if (name === principal.arn) return "direct";
  return name === `arn:aws:iam::${principal.accountId}:root` ? "account" : "none";
}

/** Whether a statement speaks of this action on this resource under these conditions (its principals apart). */
export function matchStatement(
  statement: Statement,
  action: string,
  resource: string,
  values: ConditionValues,
): boolean {
  return (
    matchSet(statement.actions, action.toLowerCase(), values) &&
    matchSet(statement.resources, resource, values) &&
    statement.conditions.every((test) => isConditionMet(test, values))
  );
}

function matchSet({ negated, patterns }: PatternSet, text: string, values: ConditionValues): boolean {
  const found = patterns.some((pattern) => {
    const expanded = expandVariables(pattern, values);
    return expanded !== undefined && matchPattern(expanded, text);
  });
  return found !== negated;
}

/** S3's "public": an Allow for everyone that no condition narrows. */
export function isPublicPolicy(statements: readonly Statement[]): boolean {
  return statements.some(
    (statement) =>
      statement.effect === "Allow" &&
      statement.conditions.length === 0 &&
      (statement.principals?.negated === true || statement.principals?.names.includes("*") === true),
  );
}
