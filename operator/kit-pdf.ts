import { fileURLToPath } from "node:url";
import PDFDocument from "pdfkit";
import encodeQR from "qr";
import { describeCredentials, fingerprintKit, GROUP_CHARACTERS, prefixLengthOf, recipientId, type Kit } from "./kit.ts";
import { CODE_COLUMNS, keyExports, kitConfiguration, stepsWithAirlock, stepsWithoutAirlock, type Step } from "./kit-text.ts";

/** As wide as A4 and as high as Letter, in points: it prints whole on either. */
const PAGE = { width: 595.28, height: 792 } as const;
const MARGIN = 36;
const WIDTH = PAGE.width - 2 * MARGIN;
const BOTTOM = PAGE.height - MARGIN - 18;
const SECRET_SIZE = 10.5;
const CODE_SIZE = 8;
const TEXT_SIZE = 9;
/** A post-quantum identity is as short as any. What is longer goes into several codes, to be joined line by line. */
const QR_MAX_CHARACTERS = 600;

/** The light margin that the standard asks for. */
const QUIET_MODULES = 4;

type Document = InstanceType<typeof PDFDocument>;

/** A page under way: `y` is where the next thing goes. */
interface Sheet {
  readonly doc: Document;
  y: number;
}

/**
 * The kit as a PDF: the same bytes for the same kit. In black on white; what is to be typed stands in a typeface whose
 * 0 and O, 1, l and I differ, which the fonts that every PDF reader has do not promise.
 */
export function drawKit(kit: Kit): Promise<Buffer> {
  const doc = new PDFDocument({
    size: [PAGE.width, PAGE.height],
    margin: 0,
    bufferPages: true,
    lang: "en",
    displayTitle: true,
    info: { Title: "Airlock emergency kit", Creator: `Airlock ${kit.version}`, CreationDate: kit.madeAt },
  });
  doc.registerFont("code", fontFile(500));
  doc.registerFont("code-bold", fontFile(700));
  const bytes = collect(doc);
  const sheet: Sheet = { doc, y: MARGIN };
  drawHeading(sheet, kit);
  drawVault(sheet, kit);
  drawReadKey(sheet, kit);
  drawIdentity(sheet, kit);
  nextPage(sheet);
  drawSteps(sheet, "Restore with Airlock", stepsWithAirlock(kit));
  drawSteps(sheet, "Restore without Airlock", stepsWithoutAirlock(kit));
  drawHeads(sheet, kit);
  drawConfiguration(sheet, kit);
  drawFooters(doc, kit);
  doc.end();
  return bytes;
}

function fontFile(weight: 500 | 700): string {
  // not the .woff2 beside it: its subset comes out damaged (fontkit 2.0)
  const name = `@fontsource/atkinson-hyperlegible-mono/files/atkinson-hyperlegible-mono-latin-${weight}-normal.woff`;
  return fileURLToPath(import.meta.resolve(name));
}

function collect(doc: Document): Promise<Buffer> {
  const pieces: Buffer[] = [];
  return new Promise((resolve, reject) => {
    doc.on("data", (piece: Buffer) => pieces.push(piece));
    doc.on("end", () => resolve(Buffer.concat(pieces)));
    doc.on("error", reject);
  });
}

function nextPage(sheet: Sheet): void {
  sheet.doc.addPage();
  sheet.y = MARGIN;
}

function makeRoom(sheet: Sheet, height: number): void {
  if (sheet.y + height > BOTTOM) nextPage(sheet);
}

/** Wraps at the given width and moves on below. */
function write(sheet: Sheet, text: string, font: string, size: number, x = MARGIN, width = WIDTH): void {
  const { doc } = sheet;
  doc.font(font).fontSize(size);
  const height = doc.heightOfString(text, { width });
  makeRoom(sheet, height);
  doc.text(text, x, sheet.y, { width });
  sheet.y += height;
}

/** One line, however long; it is there to be copied. */
function writeLine(sheet: Sheet, text: string, font: string, size: number, x = MARGIN): void {
  makeRoom(sheet, size * 1.25);
  sheet.doc.font(font).fontSize(size).text(text, x, sheet.y, { lineBreak: false });
  sheet.y += size * 1.25;
}

function drawTitle(sheet: Sheet, title: string): void {
  makeRoom(sheet, 48);
  sheet.y += 9;
  sheet.doc.moveTo(MARGIN, sheet.y).lineTo(MARGIN + WIDTH, sheet.y).lineWidth(0.75).stroke();
  sheet.y += 5;
  write(sheet, title, "Helvetica-Bold", 12);
  sheet.y += 3;
}

function drawRows(sheet: Sheet, rows: readonly (readonly [label: string, value: string])[], width = WIDTH): void {
  const valueX = MARGIN + 108;
  for (const [label, value] of rows) {
    const { y } = sheet;
    write(sheet, label, "Helvetica", TEXT_SIZE, MARGIN, 104);
    const below = sheet.y;
    sheet.y = y;
    write(sheet, value, "code", TEXT_SIZE, valueX, width - 108);
    sheet.y = Math.max(sheet.y, below) + 2;
  }
}

function drawHeading(sheet: Sheet, kit: Kit): void {
  write(sheet, "Airlock emergency kit", "Helvetica-Bold", 20);
  sheet.y += 4;
  const top = sheet.y;
  sheet.y += 8;
  const inside = [MARGIN + 10, WIDTH - 20] as const;
  write(sheet, "SECRET. Whoever has this page can read every backup.", "Helvetica-Bold", 11, ...inside);
  sheet.y += 2;
  const advice =
    "Keep it on paper, locked away, not where the machines are that it is about. Print it twice and keep the copies apart. " +
    "Delete the file once it is printed and `airlock kit --verify` has accepted what the paper says.";
  write(sheet, advice, "Helvetica", TEXT_SIZE, ...inside);
  sheet.y += 8;
  sheet.doc.rect(MARGIN, top, WIDTH, sheet.y - top).lineWidth(2).stroke();
  sheet.y += 8;
  drawRows(sheet, [
    ["made", `${kit.madeAt.toISOString()} by Airlock ${kit.version}`],
    ["fingerprint", groupsOf(fingerprintKit(kit), GROUP_CHARACTERS).join(" ")],
  ]);
}

function drawVault(sheet: Sheet, { vault, seen }: Kit): void {
  drawTitle(sheet, "Where the backups are");
  drawRows(sheet, [
    ["bucket", vault.bucket],
    ["region", vault.region],
    ["endpoint", vault.endpoint ?? "AWS S3's own for the region"],
    ["addressing", vault.forcePathStyle ? "path style: endpoint/bucket" : "virtual-hosted style: bucket.endpoint"],
    ...(vault.expectedBucketOwner === null ? [] : [["account", vault.expectedBucketOwner] as const]),
    ...(seen === null || seen.sets.length === 0 ? [] : [["sets", listSome(seen.sets)] as const]),
  ]);
}

const SETS_SHOWN = 24;

function listSome(names: readonly string[]): string {
  const more = names.length > SETS_SHOWN ? `, and ${names.length - SETS_SHOWN} more` : "";
  return `${names.slice(0, SETS_SHOWN).join(", ")}${more}`;
}

function drawReadKey(sheet: Sheet, kit: Kit): void {
  drawTitle(sheet, "The key that reads them");
  const { readKey, vault } = kit;
  if (readKey === null) {
    const where = describeCredentials(vault.credentials);
    write(sheet, `Left out of this kit. When it was made, the key came from ${where}.`, "Helvetica", TEXT_SIZE);
    return;
  }
  const codeSize = 86;
  const top = sheet.y;
  drawQr(sheet.doc, `${keyExports(kit).join("\n")}\n`, MARGIN + WIDTH - codeSize, top, codeSize);
  const width = WIDTH - codeSize - 12;
  drawRows(
    sheet,
    [
      ["access key id", readKey.accessKeyId],
      ["secret access key", readKey.secretAccessKey],
    ],
    width,
  );
  sheet.y += 2;
  const advice = "It can list and read this bucket, and nothing else. For the shell (the code has these two lines):";
  write(sheet, advice, "Helvetica", TEXT_SIZE, MARGIN, width);
  sheet.y += 2;
  for (const line of keyExports(kit)) writeLine(sheet, line, "code", CODE_SIZE);
  sheet.y = Math.max(sheet.y, top + codeSize);
}

function drawIdentity(sheet: Sheet, kit: Kit): void {
  drawTitle(sheet, "The identity that decrypts them");
  const alike = "One line without spaces, in groups of four. In this typeface: 0 is zero, O a letter; 1 is one, l small L, I capital i.";
  write(sheet, alike, "Helvetica", TEXT_SIZE);
  sheet.y += 4;
  drawGrouped(sheet, kit.identity, prefixLengthOf(kit.identity));
  sheet.y += 6;
  const codeSize = 132;
  const top = sheet.y;
  drawQr(sheet.doc, kit.identity, MARGIN + WIDTH - codeSize, top, codeSize, "quartile");
  const width = WIDTH - codeSize - 16;
  const isMarked = kit.words.length > 24;
  const intro = isMarked
    ? "Or as words, for Airlock; the word pq before the first says that it is a post-quantum identity:"
    : "Or as words, for Airlock; the first four letters of each will do:";
  write(sheet, intro, "Helvetica", TEXT_SIZE, MARGIN, width);
  sheet.y += 4;
  drawWords(sheet, kit.words, width);
  sheet.y = Math.max(sheet.y, top + codeSize) + 6;
  drawRows(sheet, recipientRows(kit.recipient));
}

/** Of a recipient that takes half a page the beginning, and a digest to tell it by. */
function recipientRows(recipient: string): readonly (readonly [string, string])[] {
  const shown = recipient.length > 80 ? `${recipient.slice(0, 40)}… (${recipient.length} characters)` : recipient;
  return [
    ["its recipient", shown],
    ["recipient's id", `${recipientId(recipient)} (public: what hosts encrypt to)`],
  ];
}

/** The text stays whole, so that it can be copied; a line and a number below each group guide the eye. */
function drawGrouped(sheet: Sheet, text: string, prefixLength: number): void {
  const { doc } = sheet;
  doc.font("code-bold").fontSize(SECRET_SIZE);
  const advance = doc.widthOfString("0");
  const { y } = sheet;
  writeLine(sheet, text, "code-bold", SECRET_SIZE);
  const groups = groupsOf(text.slice(prefixLength), GROUP_CHARACTERS);
  for (const [index, group] of groups.entries()) {
    const x = MARGIN + advance * (prefixLength + index * GROUP_CHARACTERS);
    const end = x + advance * group.length;
    doc
      .moveTo(x + 1, y + 14)
      .lineTo(end - 1, y + 14)
      .lineWidth(0.5)
      .stroke();
    doc.font("Helvetica").fontSize(6);
    doc.text(String(index + 1), x, y + 16, { width: end - x, align: "center", lineBreak: false });
  }
  sheet.y = y + 24;
}

function drawWords(sheet: Sheet, words: readonly string[], width: number): void {
  const columns = 4;
  const isMarked = words.length > 24;
  const numbered = isMarked ? words.slice(1) : words;
  if (isMarked) writeLine(sheet, words[0] ?? "", "code-bold", TEXT_SIZE + 1);
  const rows = Math.ceil(numbered.length / columns);
  const { y } = sheet;
  for (const [index, word] of numbered.entries()) {
    sheet.y = y + (index % rows) * 15;
    const x = MARGIN + Math.floor(index / rows) * (width / columns);
    writeLine(sheet, String(index + 1).padStart(2), "code", 7, x);
    sheet.y = y + (index % rows) * 15 - 2;
    writeLine(sheet, word, "code-bold", TEXT_SIZE + 1, x + 14);
  }
  sheet.y = y + rows * 15;
}

function drawSteps(sheet: Sheet, title: string, steps: readonly Step[]): void {
  drawTitle(sheet, title);
  for (const { text, commands } of steps) {
    write(sheet, text, "Helvetica", TEXT_SIZE);
    sheet.y += 2;
    drawCode(sheet, commands);
    sheet.y += 5;
  }
}

function drawCode(sheet: Sheet, lines: readonly string[]): void {
  for (const line of lines) {
    // only an endpoint or a name of hundreds of characters needs it; a shell and YAML would not take the line broken
    const size = Math.min(CODE_SIZE, (CODE_SIZE * CODE_COLUMNS) / Math.max(line.length, 1));
    writeLine(sheet, line, "code", size, MARGIN + 10);
    sheet.y += 1;
  }
}

function drawHeads(sheet: Sheet, { seen, madeAt }: Kit): void {
  drawTitle(sheet, "Where the ledger ended");
  if (seen === null) {
    write(sheet, "The vault was not asked when this kit was made.", "Helvetica", TEXT_SIZE);
    return;
  }
  const text = `At ${madeAt.toISOString()}. A later ledger that does not contain this was cut off or rewritten: \`airlock verify\` prints its own head, and the digest is that of the segment's bytes.`;
  write(sheet, text, "Helvetica", TEXT_SIZE);
  sheet.y += 2;
  drawCode(
    sheet,
    seen.heads.map(({ mover, segment, digest }) => `${mover} ${segment} ${digest}`),
  );
  for (const mover of seen.withoutHead) {
    write(sheet, `The ledger of ${mover} was missing or damaged then.`, "Helvetica-Bold", TEXT_SIZE);
  }
}

function drawConfiguration(sheet: Sheet, kit: Kit): void {
  drawTitle(sheet, "operator.yaml, with the public keys of movers and hosts");
  const lines = kitConfiguration(kit);
  const codes = chunkLines(lines, QR_MAX_CHARACTERS);
  drawCode(sheet, lines);
  sheet.y += 6;
  const size = 112;
  const perRow = 4;
  for (let first = 0; first < codes.length; first += perRow) {
    makeRoom(sheet, size + 14);
    for (const [index, code] of codes.slice(first, first + perRow).entries()) {
      const x = MARGIN + index * (size + 20);
      drawQr(sheet.doc, code, x, sheet.y, size);
      const label = codes.length === 1 ? "operator.yaml" : `operator.yaml, part ${first + index + 1} of ${codes.length}`;
      sheet.doc.font("Helvetica").fontSize(7).text(label, x, sheet.y + size + 3, { lineBreak: false });
    }
    sheet.y += size + 16;
  }
}

/** Whole lines, each part as long as one code may be. */
function chunkLines(lines: readonly string[], maxCharacters: number): readonly string[] {
  const chunks: string[] = [];
  for (const line of lines) {
    const last = chunks.at(-1);
    if (last === undefined || last.length + line.length + 1 > maxCharacters) chunks.push(`${line}\n`);
    else chunks[chunks.length - 1] = `${last}${line}\n`;
  }
  return chunks;
}

function drawQr(doc: Document, text: string, x: number, y: number, size: number, ecc: "medium" | "quartile" = "medium"): void {
  const modules = encodeQR(text, "raw", { ecc, border: QUIET_MODULES });
  const side = size / modules.length;
  for (const [row, line] of modules.entries()) {
    for (let column = 0; column < line.length; column++) {
      if (line[column] !== true) continue;
      let end = column;
      while (line[end + 1] === true) end += 1;
      doc.rect(x + column * side, y + row * side, (end - column + 1) * side, side);
      column = end;
    }
  }
  doc.fill("black");
}

function drawFooters(doc: Document, kit: Kit): void {
  const { start, count } = doc.bufferedPageRange();
  for (let page = start; page < start + count; page++) {
    doc.switchToPage(page);
    const text = `Airlock emergency kit ${groupsOf(fingerprintKit(kit), GROUP_CHARACTERS).join(" ")} · page ${page - start + 1} of ${count}`;
    doc.font("Helvetica").fontSize(8).text(text, MARGIN, PAGE.height - MARGIN - 8, { lineBreak: false });
  }
}

function groupsOf(text: string, length: number): readonly string[] {
  return text.match(new RegExp(`.{1,${length}}`, "g")) ?? [];
}
