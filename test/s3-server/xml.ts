import { XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "./errors.ts";

/** Text of an element or attribute; control characters as references, so that every key survives a strict parser's line-end rules. */
export function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is being escaped
  return text.replace(/[&<>"\u0000-\u001f\u007f]/g, (character) => {
    switch (character) {
      case "&":
        return "&amp;";
      case "<":
        return "&lt;";
      case ">":
        return "&gt;";
      case '"':
        return "&quot;";
      default:
        return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
    }
  });
}

/** `<name>text</name>`, or nothing where the value is undefined. */
export function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? "" : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** A whole document in S3's namespace around children that are XML already. */
export function xmlDocument(root: string, children: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${children}</${root}>`;
}

/** An element of a parsed request: its text and its children by name. */
export interface XmlNode {
  readonly text: string;
  children(name: string): readonly XmlNode[];
  child(name: string): XmlNode | undefined;
  /** The text of the first child of that name. */
  value(name: string): string | undefined;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  ignoreDeclaration: true,
  removeNSPrefix: true,
});

/** Parses a request's document, whose root must have the given name; anything else is MalformedXML. */
export function parseXml(text: string, root: string): XmlNode {
  if (/<!DOCTYPE|<!ENTITY/i.test(text) || XMLValidator.validate(text) !== true) throw malformedXml();
  const parsed: unknown = parser.parse(text);
  if (typeof parsed !== "object" || parsed === null || !(root in parsed)) throw malformedXml();
  // `in` has just shown that the property is there; its value stays unknown.
  return toNode((parsed as Record<string, unknown>)[root]);
}

export function malformedXml(): S3Error {
  return new S3Error(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
}

function toNode(value: unknown): XmlNode {
  const isObject = typeof value === "object" && value !== null;
  // An object from the parser is a record of child elements.
  const record = isObject ? (value as Record<string, unknown>) : {};
  const raw = isObject ? record["#text"] : value;
  const children = (name: string): XmlNode[] => {
    if (!Object.hasOwn(record, name)) return [];
    const found = record[name];
    return (Array.isArray(found) ? found : [found]).map(toNode);
  };
  return {
    text: typeof raw === "string" ? decodeReferences(raw) : "",
    children,
    child: (name) => children(name)[0],
    value: (name) => children(name)[0]?.text,
  };
}

function decodeReferences(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#[0-9]{1,7}|[a-z]+);/gi, (_, reference: string) => {
    switch (reference) {
      case "amp":
        return "&";
      case "lt":
        return "<";
      case "gt":
        return ">";
      case "quot":
        return '"';
      case "apos":
        return "'";
      default:
        return decodeNumeric(reference);
    }
  });
}

function decodeNumeric(reference: string): string {
  if (!reference.startsWith("#")) throw malformedXml();
  const hexadecimal = reference[1] === "x" || reference[1] === "X";
  const point = hexadecimal ? Number.parseInt(reference.slice(2), 16) : Number.parseInt(reference.slice(1), 10);
  if (!(point <= 0x10ffff)) throw malformedXml();
  return String.fromCodePoint(point);
}
