/**
 * What stands between the mover's source and its loading in a simulation's thread: parts of 8 MiB become parts of 8 KiB,
 * so that every history has objects that cross in several; and, to test the simulation itself, a step can be broken.
 */
import { registerHooks } from "node:module";

/** A change of one module's source. */
export interface Change {
  /** Below the project's folder, such as `mover/move.ts`. */
  readonly file: string;
  /** Has to be there, once. */
  readonly find: string;
  readonly replace: string;
}

const SMALL_PARTS: Change = {
  file: "mover/parts.ts",
  find: "const MiB = 1024 * 1024;",
  replace: "const MiB = 1024;",
};

const ROOT = new URL("../../../", import.meta.url).href;

/** Before the first import of the mover in this thread. */
export function installHooks(changes: readonly Change[] = []): void {
  const all = [SMALL_PARTS, ...changes];
  Error.stackTraceLimit = 0; // half of what a history would cost: refusals are errors, and nobody reads their stacks
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      const apt = all.filter(({ file }) => url === ROOT + file);
      if (apt.length === 0) return loaded;
      if (loaded.source === undefined || loaded.source === null) throw new Error(`${url} has no source`);
      let source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
      for (const { file, find, replace } of apt) {
        const pieces = source.split(find);
        if (pieces.length !== 2) throw new Error(`${file} has ${pieces.length - 1} times: ${find}`);
        source = pieces.join(replace);
      }
      return { ...loaded, source };
    },
  });
}
