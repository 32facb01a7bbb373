/** Object tags: at most ten, keys up to 128 characters, values up to 256 (S3 User Guide, "Object tagging"). */
import { S3Error } from "./errors.ts";
import { element, malformedXml, type XmlNode } from "./xml.ts";

const maxObjectTags = 10;

/** `a=1&b=2` of the x-amz-tagging header. */
export function parseTagQuery(text: string): Map<string, string> {
  const pairs = text
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair): [string, string] => {
      const [name = "", ...rest] = pair.split("=");
      return [decode(name), decode(rest.join("="))];
    });
  return checkTags(pairs);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    if (error instanceof URIError) {
      throw new S3Error(
        "InvalidArgument",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      );
    }
    throw error;
  }
}

export function parseTagSet(tagging: XmlNode, limit = maxObjectTags): Map<string, string> {
  const set = tagging.child("TagSet");
  if (set === undefined) throw malformedXml();
  const pairs = set.children("Tag").map((tag): [string, string] => {
    const key = tag.value("Key");
    const value = tag.value("Value");
    if (key === undefined || value === undefined) throw malformedXml();
    return [key, value];
  });
  return checkTags(pairs, limit);
}

function checkTags(pairs: readonly [string, string][], limit = maxObjectTags): Map<string, string> {
  const tags = new Map(pairs);
  if (tags.size !== pairs.length) {
    throw new S3Error("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  if (tags.size > limit) throw new S3Error("InvalidTag", `Object tags cannot be greater than ${limit}`);
  for (const [key, value] of tags) {
    if (key.length === 0 || key.length > 128 || !isTagText(key) || key.startsWith("aws:")) {
      throw new S3Error("InvalidTag", "The TagKey you have provided is invalid");
    }
    if (value.length > 256 || !isTagText(value)) {
      throw new S3Error("InvalidTag", "The TagValue you have provided is invalid");
    }
  }
  return tags;
}

function isTagText(text: string): boolean {
  return /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(text);
}

export function tagSetXml(tags: ReadonlyMap<string, string>): string {
  const items = [...tags].map(([key, value]) => `<Tag>${element("Key", key)}${element("Value", value)}</Tag>`);
  return `<TagSet>${items.join("")}</TagSet>`;
}
