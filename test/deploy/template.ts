/** CloudFormation templates as values: parsed, and with their parameters filled in as far as policies need it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, type CollectionTag, type ScalarTag } from "yaml";
import { root } from "../support/world.ts";

export const TEMPLATES = ["drop-zone", "vault", "host"] as const;
export type TemplateName = (typeof TEMPLATES)[number];

type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
}

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, Value>>;
}

export function templateFile(name: TemplateName): string {
  return join(root, "deploy", "cloudformation", `${name}.yaml`);
}

/** `!Sub x` becomes `{ "Fn::Sub": x }`, as in JSON. */
export async function readDocument(name: TemplateName): Promise<Value> {
  // YAML without tags of its own has no other values
  return parse(await readFile(templateFile(name), "utf8"), { customTags: TAGS }) as Value;
}

export async function readTemplate(name: TemplateName): Promise<Template> {
  // our own file; what is missing in it is noticed where it is used
  return (await readDocument(name)) as unknown as Template;
}

const scalar = (tag: string, key: string): ScalarTag => ({
  tag: `!${tag}`,
  resolve: (text) => ({ [key]: tag === "GetAtt" ? text.split(".") : text }),
});
const sequence = (tag: string): CollectionTag => ({
  tag: `!${tag}`,
  collection: "seq",
  resolve: (node) => ({ [`Fn::${tag}`]: node.toJSON() as Value }),
});
const TAGS = [
  scalar("Ref", "Ref"),
  scalar("Sub", "Fn::Sub"),
  scalar("GetAtt", "Fn::GetAtt"),
  sequence("If"),
  sequence("Equals"),
  sequence("Not"),
];

/** `names` are parameters, and resources' attributes such as `Queue.Arn`; `conditions` by their names. */
export interface Filling {
  readonly names: ReadonlyMap<string, string>;
  readonly conditions?: ReadonlyMap<string, boolean>;
}

/** `AWS::NoValue` drops out of lists. */
export function fillIn(value: Value, filling: Filling): Value {
  if (Array.isArray(value)) {
    return value.map((each: Value) => fillIn(each, filling)).filter((each) => each !== null);
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [key = "", inner = null] = entries.length === 1 ? (entries[0] ?? []) : [];
  const lookUp = (name: string): string => {
    const found = filling.names.get(name);
    if (found === undefined) throw new Error(`nothing is said of ${name}`);
    return found;
  };
  if (key === "Ref" && typeof inner === "string") return inner === "AWS::NoValue" ? null : lookUp(inner);
  if (key === "Fn::Sub" && typeof inner === "string")
    return inner.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => lookUp(name));
  if (key === "Fn::GetAtt" && Array.isArray(inner)) return lookUp(inner.join("."));
  if (key === "Fn::If" && Array.isArray(inner)) {
    const [condition, yes = null, no = null] = inner as readonly Value[];
    const isMet = typeof condition === "string" && filling.conditions?.get(condition) === true;
    return fillIn(isMet ? yes : no, filling);
  }
  return Object.fromEntries(entries.map(([name, each]) => [name, fillIn(each, filling)]));
}

/** A resource's policy document, filled in. */
export function policyIn(template: Template, resource: string, filling: Filling): object {
  const document = template.Resources[resource]?.Properties["PolicyDocument"];
  if (document === undefined) throw new Error(`no policy in ${resource}`);
  const filled = fillIn(document, filling);
  if (typeof filled !== "object" || filled === null) throw new Error(`no document in ${resource}`);
  return filled;
}

/** Without denials that have a condition: for moto, which looks at none, so that such a one would deny always. */
export function withoutConditionalDenials(value: Value): Value {
  if (Array.isArray(value)) {
    return value
      .filter((each: Value) => !isConditionalDenial(each))
      .map((each: Value) => withoutConditionalDenials(each));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutConditionalDenials(each)]));
}

function isConditionalDenial(value: Value): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const branches = "Fn::If" in value ? value["Fn::If"] : undefined;
  if (Array.isArray(branches)) return branches.some((branch: Value) => isConditionalDenial(branch));
  return "Effect" in value && value["Effect"] === "Deny" && "Condition" in value;
}
