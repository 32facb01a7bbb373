import { printable } from "../../shared/printable.ts";

/** Markup, as opposed to text. Only {@link html} and {@link trusted} make it. */
export interface Html {
  readonly markup: string;
}

type Piece = Html | string | number | null | readonly Html[];

/** Whatever is put in is text, and stands in the page as it is read: hosts and stores chose much of it. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  const markup = strings.map((text, index) => text + markupOf(pieces[index] ?? null));
  return { markup: markup.join("") };
}

/** For markup that this program made itself, out of nothing that came from outside unescaped. */
export function trusted(markup: string): Html {
  return { markup };
}

function markupOf(piece: Piece): string {
  if (piece === null) return "";
  if (typeof piece === "number") return String(piece);
  if (typeof piece === "string") return escapeText(piece);
  return "markup" in piece ? piece.markup : piece.map(({ markup }) => markup).join("");
}

const ENTITIES = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

/** Also for attributes in quotes. Control and direction characters are shown, as on a terminal. */
function escapeText(text: string): string {
  return printable(text).replaceAll(/[&<>"']/g, (character) => ENTITIES.get(character) ?? "");
}
