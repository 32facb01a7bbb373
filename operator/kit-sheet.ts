import PdfDocument from "pdfkit";
import { encodeQR } from "qr";
import { CODE_BOLD_FONT, CODE_FONT } from "./kit-fonts.ts";

/** As wide as A4 and as high as Letter, in points: it prints whole on either. */
const PAGE = { width: 595.28, height: 792 } as const;
const MARGIN = 36;
const BOTTOM = PAGE.height - MARGIN - 18;
const TITLE_SIZE = 12;
export const TEXT_SIZE = 9;
const LABEL_WIDTH = 108;
const CODE_SIZE = 8;
const CODE_LINE = CODE_SIZE * 1.25 + 1;
/** What fits beside each other at that size. */
export const CODE_COLUMNS = 98;
/** The light margin of a code that its standard asks for. */
const QUIET_MODULES = 4;

export const TEXT = "Helvetica";
export const BOLD = "Helvetica-Bold";
/** For what is copied and typed: 0 and O, 1, l and I differ, which the fonts that every PDF reader has do not promise. */
export const CODE = "code";
export const CODE_BOLD = "code-bold";

/** Pages under way, written from top to bottom. */
export interface Sheet {
  readonly doc: InstanceType<typeof PdfDocument>;
  /** Where the next thing goes. */
  y: number;
}

/** A part of the page's width, in points. */
export interface Box {
  readonly x: number;
  readonly width: number;
}

export const FULL: Box = { x: MARGIN, width: PAGE.width - 2 * MARGIN };

export interface SheetOptions {
  readonly title: string;
  readonly creator: string;
  readonly madeAt: Date;
}

/** Pages in black on white; the same bytes for the same contents. */
export async function drawSheet(
  { title, creator, madeAt }: SheetOptions,
  draw: (sheet: Sheet) => void,
): Promise<Buffer> {
  const doc = new PdfDocument({
    size: [PAGE.width, PAGE.height],
    margin: 0,
    bufferPages: true,
    lang: "en",
    displayTitle: true,
    info: { Title: title, Creator: creator, CreationDate: madeAt },
  });
  doc.registerFont(CODE, CODE_FONT);
  doc.registerFont(CODE_BOLD, CODE_BOLD_FONT);
  const pieces: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    doc.on("data", (piece: Buffer) => pieces.push(piece));
    doc.on("end", resolve);
    doc.on("error", reject);
  });
  draw({ doc, y: MARGIN });
  doc.end();
  await ended;
  return Buffer.concat(pieces);
}

export function startPage(sheet: Sheet): void {
  sheet.doc.addPage();
  sheet.y = MARGIN;
}

function makeRoom(sheet: Sheet, height: number): void {
  if (sheet.y + height > BOTTOM) startPage(sheet);
}

/** Wraps within the box. */
export function writeText(sheet: Sheet, text: string, font = TEXT, size = TEXT_SIZE, box = FULL): void {
  const { doc } = sheet;
  doc.font(font).fontSize(size);
  const height = doc.heightOfString(text, { width: box.width });
  makeRoom(sheet, height);
  doc.text(text, box.x, sheet.y, { width: box.width });
  sheet.y += height;
}

/** One line, however long: it is there to be copied. */
export function writeLine(sheet: Sheet, text: string, font: string, size: number, x = MARGIN): void {
  makeRoom(sheet, size * 1.25);
  sheet.doc.font(font).fontSize(size).text(text, x, sheet.y, { lineBreak: false });
  sheet.y += size * 1.25;
}

export function writeTitle(sheet: Sheet, title: string): void {
  makeRoom(sheet, 60);
  if (sheet.y > MARGIN) {
    sheet.y += 9;
    const { x, width } = FULL;
    sheet.doc
      .moveTo(x, sheet.y)
      .lineTo(x + width, sheet.y)
      .lineWidth(0.75)
      .stroke();
    sheet.y += 5;
  }
  writeText(sheet, title, BOLD, TITLE_SIZE);
  sheet.y += 3;
}

export type Row = readonly [label: string, value: string];

export function writeRows(sheet: Sheet, rows: readonly Row[], { x, width } = FULL): void {
  for (const [label, value] of rows) {
    makeRoom(sheet, TEXT_SIZE * 1.5);
    const { y } = sheet;
    // the typefaces' lines have their letters at different heights
    sheet.y = y + 3;
    writeText(sheet, label, TEXT, TEXT_SIZE, { x, width: LABEL_WIDTH - 4 });
    sheet.y = y;
    writeText(sheet, value, CODE, TEXT_SIZE, { x: x + LABEL_WIDTH, width: width - LABEL_WIDTH });
    sheet.y += 2;
  }
}

/** Lines to be typed, none of them broken. */
export function writeCode(sheet: Sheet, lines: readonly string[]): void {
  for (const line of lines) {
    // with an endpoint or names of a hundred characters; neither a shell nor YAML takes a line in two
    const size = Math.min(CODE_SIZE, (CODE_SIZE * CODE_COLUMNS) / Math.max(line.length, 1));
    writeLine(sheet, line, CODE, size, FULL.x + 10);
    sheet.y += 1;
  }
}

/** Whether all of these lines leave room to their right, on this page. */
export function fitsBeside(sheet: Sheet, lines: readonly string[], size: number): boolean {
  const widest = sheet.doc
    .font(CODE)
    .fontSize(CODE_SIZE)
    .widthOfString("0".repeat(Math.max(...lines.map(({ length }) => length))));
  const height = Math.max(size, lines.length * CODE_LINE);
  return widest + 10 + size < FULL.width && sheet.y + height <= BOTTOM;
}

const GROUPED_SIZE = 10.5;

/** The text stays whole, so that it can be copied; a line and a number below each group guide the eye. */
export function writeGrouped(sheet: Sheet, text: string, prefixLength: number, groups: readonly string[]): void {
  const { doc } = sheet;
  makeRoom(sheet, 26);
  const { y } = sheet;
  writeLine(sheet, text, CODE_BOLD, GROUPED_SIZE);
  const advance = doc.widthOfString("0");
  let x = FULL.x + advance * prefixLength;
  for (const [index, group] of groups.entries()) {
    const end = x + advance * group.length;
    doc
      .moveTo(x + 1, y + 15)
      .lineTo(end - 1, y + 15)
      .lineWidth(0.5)
      .stroke();
    doc.font(TEXT).fontSize(6);
    doc.text(String(index + 1), x, y + 17, { width: end - x, align: "center", lineBreak: false });
    x = end;
  }
  sheet.y = y + 25;
}

export function drawFrame({ doc, y }: Sheet, top: number): void {
  doc
    .rect(FULL.x, top, FULL.width, y - top)
    .lineWidth(2)
    .stroke();
}

export interface QrOptions {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  /** With its light margin, in points. */
  readonly size: number;
  /** How much of it may be lost: 7%, 15%, 25%. */
  readonly ecc?: "low" | "medium" | "quartile";
}

export function drawQr({ doc }: Sheet, { text, x, y, size, ecc = "medium" }: QrOptions): void {
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

/** A row of codes, each with its label below. */
export function drawQrRow(
  sheet: Sheet,
  codes: readonly (readonly [label: string, text: string])[],
  size: number,
): void {
  makeRoom(sheet, size + 14);
  for (const [index, [label, text]] of codes.entries()) {
    const x = FULL.x + index * (size + 40);
    drawQr(sheet, { text, x, y: sheet.y, size, ecc: "low" });
    sheet.doc
      .font(TEXT)
      .fontSize(7)
      .text(label, x, sheet.y + size + 2, { lineBreak: false });
  }
  sheet.y += size + 16;
}

/** On every page. */
export function writeFooters({ doc }: Sheet, text: string): void {
  const { start, count } = doc.bufferedPageRange();
  for (let page = start; page < start + count; page++) {
    doc.switchToPage(page);
    doc.font(TEXT).fontSize(8);
    doc.text(`${text} · page ${page - start + 1} of ${count}`, MARGIN, PAGE.height - MARGIN - 8, { lineBreak: false });
  }
}
