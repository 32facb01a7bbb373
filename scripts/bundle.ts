/**
 * One file of JavaScript per role, with what its commands reach and nothing else. In two passes: the first leaves out what
 * is not used, command by command; the second puts the pieces into one file, each still run only when it is first needed.
 * In one pass, whatever is needed late would be taken whole.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cyclonedxEsbuildPlugin } from "@cyclonedx/cyclonedx-esbuild";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { CODE_BOLD_FONT, CODE_FONT } from "../operator/kit-fonts.ts";
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
      plugins: [
        carryWorker,
        carryFonts,
        carryFontMetrics,
        cyclonedxEsbuildPlugin({ outputFile: bomFile, outputReproducible: true, validate: true, logLevel: "warning" }),
      ],
    });
    // not whatever file lies above the scratch folder
    await writeFile(join(work, "package.json"), '{ "type": "module" }');
    const code = await toText({
      ...OPTIONS,
      absWorkingDir: work,
      tsconfigRaw: { compilerOptions: { strict: true } },
      entryPoints: ["main.js"],
      format: "cjs",
      // node-cron wants to know where it lies, when it is loaded.
      define: { "import.meta.url": "executableUrl" },
      banner: { js: 'const executableUrl = require("node:url").pathToFileURL(process.execPath).href;' },
    });
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

/** The typeface of the emergency kit, for the same reason. */
const carryFonts: Plugin = {
  name: "carry-fonts",
  setup(bundler) {
    bundler.onLoad({ filter: /\/operator\/kit-fonts\.ts$/ }, () => {
      const carry = (name: string, font: Uint8Array): string =>
        `export const ${name} = Buffer.from("${Buffer.from(font).toString("base64")}", "base64");`;
      return { contents: `${carry("CODE_FONT", CODE_FONT)}\n${carry("CODE_BOLD_FONT", CODE_BOLD_FONT)}`, loader: "js" };
    });
  },
};

/** What pdfkit looks up beside its own file when a font is first used; it is required where the bundler can see it. */
const carryFontMetrics: Plugin = {
  name: "carry-font-metrics",
  setup(bundler) {
    bundler.onLoad({ filter: /\/pdfkit\/js\/pdfkit\.node\.mjs$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source
        .replace("const require$1 = createRequire(import.meta.url);", "")
        .replaceAll("require$1('#standard-fonts/", "require('#standard-fonts/")
        // for PDF/A, which is not made here
        .replace("new URL('./data/sRGB_IEC61966_2_1.icc', import.meta.url).href", "''");
      if (/import\.meta|require\$1/.test(contents))
        throw new Error("pdfkit looks for its files in another way than before");
      return { contents, loader: "js" };
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
