import type { Row } from "./row.ts";
export const bDropZone: readonly Row[] = [];
