import type { Row } from "./row.ts";
export const dNetwork: readonly Row[] = [];
