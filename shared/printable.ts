/**
 * What could drive a terminal or make a line read differently from what it is: control characters (C0, C1, DEL), line
 * and paragraph separators, bidirectional and other invisible formatting, lone surrogates.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text from outside, fit for one line on a terminal: what is not printable stands there as `\u{1b}`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
/** East Asian wide and full-width, and emoji: roughly what terminals give two columns. */
const WIDE =
  /^[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA960-\uA97C\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]|^\p{Emoji_Presentation}|\uFE0F/u;
const ZERO = /^\p{Mn}+$/u;
/** A column for each character, and thousands of cells are made of nothing else: these need no look at each grapheme. */
const PLAIN = /^[\x20-\x7e]*$/;

/** Columns that the text takes on a terminal, roughly. The text is {@link printable}. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += columnsOf(segment);
  return width;
}

/** At most `width` columns, with `…` where something is missing. */
export function shorten(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let columns = 1;
  for (const { segment } of graphemes.segment(text)) {
    columns += columnsOf(segment);
    if (columns > width) break;
    kept += segment;
  }
  return width < 1 ? "" : `${kept}…`;
}

function columnsOf(grapheme: string): number {
  if (ZERO.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}
