import { WORD_COUNT } from "./identity-words.ts";
import { describeCredentials, fingerprintKit, formatFingerprint, recipientId, splitIdentity, type Kit } from "./kit.ts";
import {
  BOLD,
  CODE,
  CODE_BOLD,
  drawFrame,
  drawQr,
  drawQrRow,
  drawSheet,
  fitsBeside,
  FULL,
  startPage,
  TEXT,
  TEXT_SIZE,
  writeCode,
  writeFooters,
  writeGrouped,
  writeLine,
  writeRows,
  writeText,
  writeTitle,
  type Row,
  type Sheet,
} from "./kit-sheet.ts";
import { keyExports, kitConfiguration, stepsWithAirlock, stepsWithoutAirlock, type Step } from "./kit-text.ts";

/** A phone still reads a code of so many characters off paper; what is longer is shared out. */
const QR_MAX_CHARACTERS = 1000;
const QR_SIZE = 128;
const QR_PER_ROW = 3;
const SETS_SHOWN = 24;

/** The kit as a PDF: the first page is secret, the others say what to do with it. */
export function drawKit(kit: Kit): Promise<Buffer> {
  const title = "Airlock emergency kit";
  return drawSheet({ title, creator: `Airlock ${kit.version}`, madeAt: kit.madeAt }, (sheet) => {
    drawHeading(sheet, kit);
    drawVault(sheet, kit);
    drawReadKey(sheet, kit);
    drawIdentity(sheet, kit);
    drawHeads(sheet, kit);
    startPage(sheet);
    drawSteps(sheet, "Restore with Airlock", stepsWithAirlock(kit));
    drawSteps(sheet, "Restore without Airlock", stepsWithoutAirlock(kit));
    drawConfiguration(sheet, kit);
    writeFooters(sheet, `${title} ${formatFingerprint(fingerprintKit(kit))}`);
  });
}

function drawHeading(sheet: Sheet, kit: Kit): void {
  writeText(sheet, "Airlock emergency kit", BOLD, 20);
  sheet.y += 4;
  const top = sheet.y;
  const inside = { x: FULL.x + 10, width: FULL.width - 20 };
  sheet.y += 8;
  writeText(sheet, "SECRET. Whoever has this page can read every backup.", BOLD, 11, inside);
  sheet.y += 2;
  const advice =
    "Keep it on paper, locked away, and not where the machines are that it is about. Print it twice and keep the copies " +
    "apart. Delete the file once `airlock kit --verify` has accepted what the paper says.";
  writeText(sheet, advice, TEXT, TEXT_SIZE, inside);
  sheet.y += 8;
  drawFrame(sheet, top);
  sheet.y += 6;
  writeRows(sheet, [
    ["made", `${kit.madeAt.toISOString()} by Airlock ${kit.version}`],
    ["fingerprint", formatFingerprint(fingerprintKit(kit))],
  ]);
}

function drawVault(sheet: Sheet, { vault, seen }: Kit): void {
  writeTitle(sheet, "Where the backups are");
  const rows: readonly Row[] = [
    ["bucket", vault.bucket],
    ["region", vault.region],
    ["endpoint", vault.endpoint ?? "AWS S3's own for the region"],
    ["addressing", vault.forcePathStyle ? "path style: endpoint/bucket" : "virtual-hosted style: bucket.endpoint"],
  ];
  const owner: readonly Row[] = vault.expectedBucketOwner === null ? [] : [["account", vault.expectedBucketOwner]];
  const sets: readonly Row[] = seen === null || seen.sets.length === 0 ? [] : [["sets", listSome(seen.sets)]];
  writeRows(sheet, [...rows, ...owner, ...sets]);
}

function listSome(names: readonly string[]): string {
  const more = names.length > SETS_SHOWN ? `, and ${names.length - SETS_SHOWN} more` : "";
  return `${names.slice(0, SETS_SHOWN).join(", ")}${more}`;
}

function drawReadKey(sheet: Sheet, kit: Kit): void {
  writeTitle(sheet, "The key that reads them");
  const { readKey, vault } = kit;
  if (readKey === null) {
    const where = describeCredentials(vault.credentials);
    writeText(sheet, `Left out of this kit. When it was made, the key came from: ${where}.`);
    return;
  }
  const size = 86;
  const top = sheet.y;
  const exports = keyExports(readKey);
  drawQr(sheet, { text: `${exports.join("\n")}\n`, x: FULL.x + FULL.width - size, y: top, size });
  const box = { x: FULL.x, width: FULL.width - size - 12 };
  const { accessKeyId, secretAccessKey } = readKey;
  const rows: readonly Row[] = [
    ["access key id", accessKeyId],
    ["secret access key", secretAccessKey],
  ];
  writeRows(sheet, rows, box);
  sheet.y += 2;
  const advice = "It can list and read this bucket, and nothing else. For the shell (the code has these two lines):";
  writeText(sheet, advice, TEXT, TEXT_SIZE, box);
  sheet.y += 2;
  writeCode(sheet, exports);
  sheet.y = Math.max(sheet.y, top + size);
}

function drawIdentity(sheet: Sheet, kit: Kit): void {
  writeTitle(sheet, "The identity that decrypts them");
  writeText(sheet, "One line without spaces; the numbers count groups of four. In this typeface:");
  writeLine(
    sheet,
    "0 zero  O letter   1 one  l small L  I capital i   5 five  S letter   8 eight  B letter",
    CODE,
    TEXT_SIZE,
  );
  sheet.y += 4;
  const { prefix, groups } = splitIdentity(kit.identity);
  writeGrouped(sheet, kit.identity, prefix.length, groups);
  sheet.y += 6;
  const size = 132;
  const top = sheet.y;
  drawQr(sheet, { text: kit.identity, x: FULL.x + FULL.width - size, y: top, size, ecc: "quartile" });
  drawWords(sheet, kit.words, FULL.width - size - 16);
  sheet.y = Math.max(sheet.y, top + size) + 6;
  writeRows(sheet, recipientRows(kit.recipient));
}

/** Of a recipient that takes half a page the beginning, and a digest to tell it by. */
function recipientRows(recipient: string): readonly Row[] {
  const shown = recipient.length > 80 ? `${recipient.slice(0, 32)}…, ${recipient.length} characters` : recipient;
  return [
    ["its recipient", shown],
    ["recipient's id", `${formatFingerprint(recipientId(recipient))} (public: what hosts encrypt to)`],
  ];
}

function drawWords(sheet: Sheet, words: readonly string[], width: number): void {
  const columns = 4;
  const lineHeight = 15;
  const marks = words.slice(0, -WORD_COUNT);
  const numbered = words.slice(-WORD_COUNT);
  const intro =
    marks.length === 0
      ? "Or as words, for Airlock; the first four letters of each will do:"
      : `Or as words, for Airlock: \`${marks.join(" ")}\`, as it is post-quantum, and then these:`;
  writeText(sheet, intro, TEXT, TEXT_SIZE, { x: FULL.x, width });
  const rows = Math.ceil(numbered.length / columns);
  const top = sheet.y + 4;
  for (const [index, word] of numbered.entries()) {
    const x = FULL.x + Math.floor(index / rows) * (width / columns);
    sheet.y = top + (index % rows) * lineHeight;
    writeLine(sheet, `${String(index + 1).padStart(2)} ${word}`, CODE_BOLD, TEXT_SIZE + 0.5, x);
  }
  sheet.y = top + rows * lineHeight;
}

function drawSteps(sheet: Sheet, title: string, steps: readonly Step[]): void {
  writeTitle(sheet, title);
  for (const { text, commands } of steps) {
    writeText(sheet, text);
    sheet.y += 2;
    writeCode(sheet, commands);
    sheet.y += 5;
  }
}

function drawHeads(sheet: Sheet, { seen, madeAt }: Kit): void {
  writeTitle(sheet, "Where the ledger ended");
  if (seen === null) {
    writeText(sheet, "The vault was not asked when this kit was made.");
    return;
  }
  const text = `Mover, segment and the SHA-256 of its bytes at ${madeAt.toISOString()}. A ledger that does not contain them any more was cut off or rewritten.`;
  writeText(sheet, text);
  sheet.y += 2;
  writeCode(
    sheet,
    seen.heads.map(({ mover, segment, digest }) => `${mover} ${segment} ${digest}`),
  );
  for (const mover of seen.withoutHead) {
    writeText(sheet, `The ledger of ${mover} was missing or damaged then.`, BOLD);
  }
}

function drawConfiguration(sheet: Sheet, kit: Kit): void {
  writeTitle(sheet, "operator.yaml, with the public keys of movers and hosts");
  const lines = kitConfiguration(kit);
  const parts = joinLines(lines, QR_MAX_CHARACTERS);
  const [only, ...others] = parts;
  if (only !== undefined && others.length === 0 && fitsBeside(sheet, lines, QR_SIZE)) {
    const top = sheet.y;
    drawQr(sheet, { text: only, x: FULL.x + FULL.width - QR_SIZE, y: top, size: QR_SIZE, ecc: "low" });
    writeCode(sheet, lines);
    sheet.y = Math.max(sheet.y, top + QR_SIZE);
    return;
  }
  writeCode(sheet, lines);
  sheet.y += 6;
  const codes = parts.map((part, index) => [`operator.yaml, part ${index + 1} of ${parts.length}`, part] as const);
  for (let first = 0; first < codes.length; first += QR_PER_ROW) {
    drawQrRow(sheet, codes.slice(first, first + QR_PER_ROW), QR_SIZE);
  }
}

/** Whole lines, as many to a part as it may have characters. */
function joinLines(lines: readonly string[], maxCharacters: number): readonly string[] {
  const parts: string[] = [];
  for (const line of lines) {
    const last = parts.at(-1);
    if (last === undefined || last.length + line.length + 1 > maxCharacters) parts.push(`${line}\n`);
    else parts[parts.length - 1] = `${last}${line}\n`;
  }
  return parts;
}
