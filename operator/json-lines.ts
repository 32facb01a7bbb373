import { Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Takes lines of text and writes each as `{"name":…}`; {@link finish} waits until the last one is out. */
export function toJsonLines(to: Writable): NameLines {
  let rest = "";
  const format = (line: string): string => (line === "" ? "" : `${JSON.stringify({ name: line })}\n`);
  const lines = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      // names are shown escaped, so these are ASCII
      const parts = (rest + chunk.toString("latin1")).split("\n");
      rest = parts.pop() ?? "";
      done(null, parts.map(format).join(""));
    },
    flush: (done) => done(null, format(rest)),
  });
  return Object.assign(lines, { written: pipeline(lines, to, { end: false }) });
}

type NameLines = Transform & { readonly written: Promise<void> };

export async function finish(lines: NameLines): Promise<void> {
  lines.end();
  await lines.written;
}
