import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
} from "yaml";
import type { Fault, Path } from "./faults.ts";

/** So many aliases no configuration needs; more could grow without bound. */
const MAX_ALIASES = 100;
/** Errors after which the rest of the file is still read as it was meant. */
const UNDERSTOOD = new Set(["DUPLICATE_KEY", "NON_STRING_KEY", "TAG_RESOLVE_FAILED"]);

export interface YamlFile {
  readonly value: unknown;
  readonly faults: readonly Fault[];
  /** The line of the value at this path, or of what would hold it where there is none; from 1. */
  lineOf(path: Path): number;
  /** The line of the key itself. */
  lineOfKey(path: Path): number;
}

/** YAML 1.2 (core schema), one document, no key twice, keys as text. */
export function parseYaml(text: string): YamlFile {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false, // a pretty one quotes the file, which may hold what should not be printed
      stringKeys: true,
      uniqueKeys: true,
      resolveKnownTags: false,
      logLevel: "error", // "silent" would let a second document pass
    });
    const problems: readonly YAMLError[] = [...document.errors, ...document.warnings];
    if (problems.length > 0) return broken(faultsOf(problems, lineAt));
    const prototypes = findPrototypeKeys(document).map((offset) => lineAt(offset));
    if (prototypes.length > 0) {
      return broken(prototypes.map((line) => ({ line, path: "", text: "found the key __proto__, expected another" })));
    }
    return {
      value: document.toJS({ maxAliasCount: MAX_ALIASES }),
      faults: [],
      lineOf: (path) => lineAt(offsetOf(document, path, false)),
      lineOfKey: (path) => lineAt(offsetOf(document, path, true)),
    };
  } catch (error) {
    // Aliases without bound, nesting deeper than the stack: thrown, not reported.
    if (!(error instanceof ReferenceError) && !(error instanceof RangeError)) throw error;
    const found =
      error instanceof ReferenceError ? `more than ${MAX_ALIASES} aliases` : "maps or lists nested too deeply";
    return broken([{ line: 1, path: "", text: `found ${found}` }]);
  }
}

function broken(faults: readonly Fault[]): YamlFile {
  return { value: undefined, faults, lineOf: () => 1, lineOfKey: () => 1 };
}

/** After the first error of syntax the parser guesses, and what it says then helps nobody. */
function faultsOf(problems: readonly YAMLError[], lineAt: (offset: number) => number): Fault[] {
  const faults: Fault[] = [];
  for (const problem of problems) {
    faults.push(faultOf(problem, lineAt(problem.pos[0])));
    if (!UNDERSTOOD.has(problem.code)) break;
  }
  return faults;
}

/** The one key that plain objects do not hold like any other. */
function findPrototypeKeys(document: Document.Parsed): number[] {
  const offsets: number[] = [];
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === "__proto__") offsets.push(key.range?.[0] ?? 0);
    },
  });
  return offsets;
}

function faultOf(problem: YAMLError, line: number): Fault {
  switch (problem.code) {
    case "DUPLICATE_KEY":
      return { line, path: "", text: "this key stands twice in its map" };
    case "MULTIPLE_DOCS":
      return { line, path: "", text: "found a second document, expected one" };
    case "NON_STRING_KEY":
      return { line, path: "", text: "found a key that is not text, expected a plain or quoted word" };
    case "TAB_AS_INDENT":
      return { line, path: "", text: "found a tab, expected spaces: YAML is indented by spaces only" };
    case "TAG_RESOLVE_FAILED":
      return { line, path: "", text: "found a tag (a word after !), expected none" };
    default:
      return { line, path: "", text: `not YAML: ${problem.message.split("\n", 1)[0] ?? ""}` };
  }
}

function offsetOf(document: Document.Parsed, path: Path, ofKey: boolean): number {
  let offset = document.contents?.range?.[0] ?? 0;
  let node: unknown = document.contents;
  for (const [index, step] of path.entries()) {
    const holder = isAlias(node) ? node.resolve(document) : node;
    if (isMap(holder)) {
      const pair = holder.items.find(({ key }) => (isScalar(key) ? key.value : key) === String(step));
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      // a map or list begins under its key; the key's line is where people look
      const atKey = (ofKey && index === path.length - 1) || !isScalar(pair.value) || pair.value.value === null;
      offset = atKey ? keyOffset : (startOf(pair.value) ?? keyOffset);
      node = pair.value;
    } else if (isSeq(holder)) {
      node = holder.items[Number(step)];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  // what yaml's own guards do not narrow: every parsed node has a range
  return typeof node === "object" && node !== null && "range" in node ? (node as Node).range?.[0] : undefined;
}
