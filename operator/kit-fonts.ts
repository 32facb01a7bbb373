/** Read from the package that has them; an executable carries them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// not the .woff2 beside them, of which fontkit 2.0 can't make the part that is embedded
const MEDIUM = import.meta
  .resolve("@fontsource/atkinson-hyperlegible-mono/files/atkinson-hyperlegible-mono-latin-500-normal.woff");
const BOLD = import.meta
  .resolve("@fontsource/atkinson-hyperlegible-mono/files/atkinson-hyperlegible-mono-latin-700-normal.woff");

export const CODE_FONT = readFileSync(fileURLToPath(MEDIUM));
export const CODE_BOLD_FONT = readFileSync(fileURLToPath(BOLD));
