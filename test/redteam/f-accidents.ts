import type { Row } from "./row.ts";
export const fAccidents: readonly Row[] = [];
