import type { Row } from "./row.ts";
export const cVaultBox: readonly Row[] = [];
