/**
 * One file of JavaScript per role, with what its commands reach and nothing else. In two passes: the first leaves out what
 * is not used, command by command; the second puts the pieces into one file, each still run only when it is first needed.
 * In one pass, whatever is needed late would be taken whole.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { cyclonedxEsbuildPlugin } from "@cyclonedx/cyclonedx-esbuild";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { ROOT, type Role } from "./roles.ts";

export interface Bundle {
  /** CommonJS: what Node starts fastest, since an `import` of a built-in module loads what that one could ever need. */
  readonly code: string;
  /** CycloneDX, as JSON: the packages that the code came from. */
  readonly bom: string;
}

const OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  target: "node26",
  // ES modules, of which unused parts can be left out, where a package has both
  mainFields: ["module", "main"],
  legalComments: "none",
  charset: "ascii",
  logLevel: "error",
} as const satisfies BuildOptions;

/** @param scratch a folder for what is in between; the result does not depend on it */
export async function bundleRole({ folder }: Role, scratch: string): Promise<Bundle> {
  const work = await mkdtemp(join(scratch, `${folder}-`));
  try {
    const bomFile = join(work, "bom.json");
    await build({
      ...OPTIONS,
      entryPoints: [`${folder}/main.ts`],
      format: "esm",
      splitting: true,
      metafile: true,
      outdir: work,
      plugins: [carryWorker, cyclonedxEsbuildPlugin({ outputFile: bomFile, outputReproducible: true, validate: true })],
    });
    const code = await toText({ ...OPTIONS, absWorkingDir: work, entryPoints: ["main.js"], format: "cjs" });
    return { code, bom: await readFile(bomFile, "utf8") };
  } finally {
    await rm(work, { recursive: true });
  }
}

/** The thread that encodes: an executable has no file for it. */
const carryWorker: Plugin = {
  name: "carry-worker",
  setup(bundler) {
    bundler.onLoad({ filter: /\/uploader\/encode-worker-url\.ts$/ }, async () => {
      const code = await toText({ ...OPTIONS, entryPoints: ["uploader/encode-worker.ts"], format: "esm" });
      const address = `data:text/javascript,${encodeURIComponent(code)}`;
      return { contents: `export const ENCODE_WORKER = new URL(${JSON.stringify(address)});`, loader: "js" };
    });
  },
};

async function toText(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...options, write: false });
  const [file, ...others] = outputFiles;
  if (file === undefined || others.length > 0) {
    throw new Error(`one file was to come of it, not ${outputFiles.map(({ path }) => basename(path)).join(", ")}`);
  }
  return file.text;
}
