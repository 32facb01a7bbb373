/** The bill of materials of an executable: what the bundle's has, and what Node brings. */
import { Version } from "@cyclonedx/cyclonedx-library/Spec";
import { JsonStrictValidator } from "@cyclonedx/cyclonedx-library/Validation";

interface Component {
  readonly "bom-ref": string;
  readonly [field: string]: unknown;
}

interface Bom {
  readonly metadata: { readonly component: Component; readonly [field: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
  readonly [field: string]: unknown;
}

/**
 * @param bundleBom as the bundler's plugin writes it
 * @param versions `process.versions` of the Node that is built in: its own and those of the libraries in it
 */
export async function completeBom(
  bundleBom: string,
  program: string,
  versions: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const bom = JSON.parse(bundleBom) as Bom; // checked below, with what is added
  const node = nodeComponent(versions);
  const { component } = bom.metadata;
  const dependencies = bom.dependencies.map((each) =>
    each.ref === component["bom-ref"] ? { ...each, dependsOn: [...(each.dependsOn ?? []), node["bom-ref"]] } : each,
  );
  const complete = {
    ...bom,
    metadata: { ...bom.metadata, component: { ...component, name: program } },
    components: [...bom.components, node],
    dependencies: [...dependencies, { ref: node["bom-ref"] }],
  };
  const text = `${JSON.stringify(complete, null, 2)}\n`;
  await validateBom(text);
  return text;
}

/** Throws where it is not as CycloneDX's schema has it. */
export async function validateBom(text: string): Promise<void> {
  const fault: unknown = await new JsonStrictValidator(Version.v1dot6).validate(text);
  if (fault !== null) throw new Error(`the bill of materials is not valid: ${JSON.stringify(fault)}`);
}

function nodeComponent({ node = "", ...libraries }: Readonly<Record<string, string | undefined>>): Component {
  const part = (name: string, version: string): Component => ({
    type: "library",
    name,
    version,
    "bom-ref": `node/${name}@${version}`,
    purl: `pkg:generic/${name}@${encodeURIComponent(version)}`,
  });
  const parts = Object.entries(libraries).map(([name, version = ""]) => part(name, version));
  return {
    type: "platform",
    name: "node",
    version: node,
    "bom-ref": `node@${node}`,
    purl: `pkg:github/nodejs/node@v${node}`,
    licenses: [{ license: { id: "MIT" } }],
    components: parts,
  };
}
