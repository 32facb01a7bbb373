/** What the documentation lists is what the code has: nobody has to remember to write it down twice. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { moverFindings } from "../../mover/findings.ts";
import { FINDINGS } from "../../operator/findings.ts";
import { codeTable, meaningsOf, OPERATIONS_PAGE, readTable, writeCodeTable } from "../../scripts/write-code-table.ts";
import { CODES } from "../../shared/errors.ts";
import { parsePublicKey } from "../../shared/keys.ts";
import { parseSegment, verifySegment } from "../../shared/ledger.ts";
import { EVENTS } from "../../shared/log.ts";
import { vaultNameOf } from "../../shared/names.ts";
import { verifyStatement } from "../../shared/statement.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const PAGES = [
  "design",
  "formats",
  "threat-model",
  "operations",
  "contributing",
  "credentials",
  "policies",
  "recipes",
  "install",
].map((name) => `docs/${name}.md`);
const operations = readFileSync(OPERATIONS_PAGE, "utf8");

/** Hold reasons that the mover does not give: they are `restore`'s. */
const NOT_HELD: ReadonlySet<string> = new Set(["object-corrupt", "decrypt-failed"]);

test("docs/operations.md has the code table of shared/errors.ts (node scripts/write-code-table.ts)", () => {
  assert.deepEqual(readTable(operations, "code"), codeTable(meaningsOf(operations)));
  assert.equal(writeCodeTable(operations), operations);
});

test("docs/operations.md says of every code what it means", () => {
  for (const cells of readTable(operations, "code")) assert.notEqual(cells.at(-1), "", cells.join(" "));
});

test("docs/operations.md has every log event, with its fields, in the order of shared/log.ts", () => {
  const rows = readTable(operations, "event");
  assert.deepEqual(
    rows.map(([event]) => event),
    EVENTS.map((event) => `\`${event}\``),
  );
  for (const cells of rows) assert.match(cells[2] ?? "", /`|fields|the same/, cells.join(" "));
});

test("docs/operations.md says what to do for each reason for which the mover holds an object", () => {
  const reasons = Object.entries(CODES)
    .filter(([code, { reaction }]) => reaction === "hold" && !NOT_HELD.has(code))
    .map(([code]) => `\`${code}\``);
  assert.deepEqual(
    readTable(operations, "reason").map(([reason]) => reason),
    reasons,
  );
});

test("docs/operations.md has every finding of `airlock verify`", () => {
  assert.deepEqual(
    readTable(operations, "finding").map(([finding]) => finding),
    Object.keys(FINDINGS).map((code) => `\`${code}\``),
  );
});

test("docs/operations.md has every finding of the mover", () => {
  assert.deepEqual(
    readTable(operations, "mover finding").map(([finding]) => finding),
    moverFindings.map((code) => `\`${code}\``),
  );
});

test("the ledger segment in docs/formats.md is one, signed by the keys that stand above it", () => {
  const [before = "", , bytes = ""] = /^([\s\S]*)(```text\n)([\s\S]*?\n)```/.exec(formats())?.slice(1) ?? [];
  const keys = before.match(/ed25519:[A-Za-z0-9+/]{43}=/g)?.slice(-2) ?? [];
  const [mover, host] = keys.map((text) => parsePublicKey(text));
  assert.ok(mover !== undefined && host !== undefined);
  const segment = parseSegment(Buffer.from(bytes), "mover-a", 2);
  assert.equal(verifySegment(segment, [mover]), mover);
  const [entry] = segment.entries;
  assert.ok(entry?.source && entry.vault && entry.statement && entry.signature !== null);
  const { source, statement, signature } = entry;
  const lastModified = new Date(source.lastModified);
  assert.equal(
    verifyStatement({ statement, signature }, { ...source, sizeBytes: source.size }, [host], lastModified),
    host,
  );
  assert.equal(entry.vault.name, vaultNameOf({ ...source, lastModified }));
  assert.ok(before.includes(entry.vault.name), "the name that is worked out by hand is the entry's");
});

for (const page of PAGES) {
  test(`every file that ${page} names or links to is there`, () => {
    const text = readFileSync(join(ROOT, page), "utf8");
    const links = Array.from(text.matchAll(/\]\((?!https?:)([^)#]+)/g), ([, to = ""]) => join(ROOT, dirname(page), to));
    const named = Array.from(
      text.matchAll(/`((?:shared|uploader|mover|operator|scripts|test|deploy|docs)\/[\w./-]*)`/g),
      ([, to = ""]) => join(ROOT, to),
    );
    const missing = [...links, ...named].filter((file) => !existsSync(file));
    assert.deepEqual(missing, []);
  });
}

function formats(): string {
  return readFileSync(join(ROOT, "docs/formats.md"), "utf8");
}
