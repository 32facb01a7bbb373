import { extname } from "node:path";

/** TypeScript in the checkout, JavaScript in the package; an executable carries the code in the address itself. */
export const ENCODE_WORKER = new URL(`./encode-worker${extname(import.meta.url)}`, import.meta.url);
