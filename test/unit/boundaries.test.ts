import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { z } from "zod";

const ROOT = join(import.meta.dirname, "../..");
const OXLINT = join(ROOT, "node_modules/.bin/oxlint");

const reportSchema = z.looseObject({
  diagnostics: z.array(z.looseObject({ code: z.string().optional(), message: z.string(), filename: z.string() })),
});

const ROLE = "roles import shared and never each other";
const SHARED = "shared imports no role";
const S3 = "only shared/s3/ speaks S3";
const DECRYPT = "decryption exists only under operator/";
const PROCESS = "only a role's main.ts touches process; it is passed in";
const PROCESS_IMPORT = "main.ts has the global one and passes it in";
const SCHEDULE = "only the queue and the schedules of mover and uploader schedule";

const uses = (what: string, from: string): string =>
  `import { ${what} } from "${from}";\nexport const used = ${what};\n`;
const PQUEUE = 'import PQueue from "p-queue";\nexport const queue = new PQueue();\n';
const CRON = uses("schedule", "node-cron");
const ENV = "export const env = process.env;\n";

/** Where, what stands there, and what is said about it; null: nothing. */
const CASES: readonly [file: string, code: string, message: string | null][] = [
  ["uploader/a.ts", uses("x", "../mover/x.ts"), ROLE],
  ["uploader/b/c.ts", uses("x", "../../operator/x.ts"), ROLE],
  ["uploader/d.ts", uses("x", "./../mover/x.ts"), ROLE],
  ["uploader/e.ts", 'import type { X } from "../mover/x.ts";\nexport type Y = X;\n', ROLE],
  ["uploader/f.ts", 'export { x } from "../mover/x.ts";\n', ROLE],
  ["uploader/g.ts", uses("x", "../shared/x.ts"), null],
  ["mover/a.ts", uses("x", "../uploader/x.ts"), ROLE],
  ["mover/b.ts", uses("x", "../operator/x.ts"), ROLE],
  ["mover/main.ts", uses("x", "../operator/x.ts"), ROLE],
  ["mover/daemon.ts", uses("x", "../operator/x.ts"), ROLE],
  ["operator/a.ts", uses("x", "../uploader/x.ts"), ROLE],
  ["operator/b.ts", uses("x", "../mover/x.ts"), ROLE],
  ["shared/a.ts", uses("x", "../uploader/x.ts"), SHARED],
  ["shared/b.ts", uses("x", "../mover/x.ts"), SHARED],
  ["shared/s3/c.ts", uses("x", "../../operator/x.ts"), SHARED],
  ["shared/d.ts", uses("S3Client", "@aws-sdk/client-s3"), S3],
  ["shared/e.ts", uses("fetch", "undici"), S3],
  ["shared/s3/f.ts", uses("S3Client", "@aws-sdk/client-s3") + 'export { fetch } from "undici";\n', null],
  ["uploader/h.ts", uses("S3Client", "@aws-sdk/client-s3"), S3],
  ["mover/c.ts", uses("Agent", "undici"), S3],
  ["operator/c.ts", uses("HttpRequest", "@smithy/types"), S3],
  ["uploader/i.ts", uses("Decrypter", "age-encryption"), DECRYPT],
  ["uploader/j.ts", 'import * as age from "age-encryption";\nexport const d = new age.Decrypter();\n', DECRYPT],
  ["mover/d.ts", uses("Decrypter", "age-encryption"), DECRYPT],
  ["shared/g.ts", uses("Decrypter", "age-encryption"), DECRYPT],
  ["uploader/k.ts", uses("Encrypter", "age-encryption"), null],
  ["operator/d.ts", uses("Decrypter", "age-encryption"), null],
  ["uploader/l.ts", ENV, PROCESS],
  ["mover/e.ts", "export const env = globalThis.process.env;\n", PROCESS],
  ["operator/e.ts", ENV, PROCESS],
  ["shared/h.ts", ENV, PROCESS],
  ["shared/s3/i.ts", ENV, PROCESS],
  ["mover/deep/main.ts", ENV, PROCESS],
  ["shared/main.ts", ENV, PROCESS],
  ["shared/j.ts", 'import { env } from "node:process";\nexport const all = env;\n', PROCESS_IMPORT],
  ["mover/f.ts", 'import process from "process";\nexport const { env } = process;\n', PROCESS_IMPORT],
  ["uploader/main.ts", ENV, null],
  ["operator/main.ts", ENV, null],
  ["test/x.ts", ENV, null],
  ["mover/g.ts", PQUEUE, SCHEDULE],
  ["mover/h.ts", CRON, SCHEDULE],
  ["mover/sweep-schedule.ts", CRON, null],
  ["mover/move-queue.ts", PQUEUE, null],
  ["uploader/m.ts", PQUEUE, SCHEDULE],
  ["operator/f.ts", PQUEUE, SCHEDULE],
  ["shared/k.ts", CRON, SCHEDULE],
  ["uploader/daemon.ts", PQUEUE, SCHEDULE],
  ["uploader/agent.ts", PQUEUE, null],
  ["uploader/schedule.ts", CRON, null],
];

/** Rules that need types, as code that breaks them. */
const TYPED: readonly [file: string, code: string, rule: string][] = [
  ["shared/floating.ts", "export function f(): void {\n  Promise.resolve();\n}\n", "no-floating-promises"],
  ["shared/misused.ts", "export const f = (list: number[]) => list.forEach(async () => {});\n", "no-misused-promises"],
  ["shared/thenable.ts", "export async function f(): Promise<void> {\n  await 1;\n}\n", "await-thenable"],
  [
    "shared/switch.ts",
    'export function f(x: "a" | "b"): number {\n  switch (x) {\n    case "a":\n      return 1;\n  }\n  return 2;\n}\n',
    "switch-exhaustiveness-check",
  ],
  ["shared/unsafe.ts", 'export const f = (): string => JSON.parse("1");\n', "no-unsafe-return"],
  ["shared/member.ts", 'export const f: unknown = JSON.parse("1").a;\n', "no-unsafe-member-access"],
];

let folder = "";
let said: ReadonlyMap<string, readonly string[]> = new Map();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "airlock-boundaries-"));
  await copyFile(join(ROOT, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
  await copyFile(join(ROOT, "tsconfig.json"), join(folder, "tsconfig.json"));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [file, code] of [...CASES, ...TYPED]) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), code);
  }
  said = lint(folder);
});
after(() => rm(folder, { recursive: true }));

/** What is said about each file, as `rule: message`. */
function lint(cwd: string): Map<string, string[]> {
  const run = spawnSync(OXLINT, ["--type-aware", "-f", "json"], { cwd, encoding: "utf8", timeout: 60_000 });
  const { diagnostics } = reportSchema.parse(JSON.parse(run.stdout));
  const byFile = new Map<string, string[]>();
  for (const { code = "", message, filename, ...rest } of diagnostics) {
    const lines = byFile.get(filename) ?? [];
    byFile.set(filename, [...lines, `${code}: ${message} ${JSON.stringify(rest)}`]);
  }
  return byFile;
}

const BOUNDARY = /no-restricted-(?:imports|globals|properties)/;

for (const [file, code, message] of CASES) {
  const first = code.split("\n", 1)[0] ?? "";
  test(`${file}: ${first} is ${message === null ? "allowed" : "refused"}`, () => {
    const about = (said.get(file) ?? []).filter((line) => BOUNDARY.test(line));
    if (message === null) assert.deepEqual(about, []);
    else assert.ok(about.length > 0 && about.every((line) => line.includes(message)), about.join("\n"));
  });
}

for (const [file, , rule] of TYPED) {
  test(`${rule} is an error`, () => {
    const about = said.get(file) ?? [];
    assert.ok(
      about.some((line) => line.includes(`(${rule})`)),
      about.join("\n"),
    );
  });
}

test("no role and nothing shared loads code by a name made at run time, which no rule here would see", async () => {
  const found: string[] = [];
  for (const top of ["shared", "uploader", "mover", "operator"]) {
    for (const name of await readdir(join(ROOT, top), { recursive: true })) {
      if (!name.endsWith(".ts")) continue;
      // a file beside it, named here: what that one imports, the rules do see
      const source = (await readFile(join(ROOT, top, name), "utf8")).replaceAll(
        /\bimport\("\.\/[a-z0-9-]+\.ts"\)/g,
        "",
      );
      if (/\bimport\(|\brequire\(|\bcreateRequire\b|\bgetBuiltinModule\b/.test(source)) found.push(join(top, name));
    }
  }
  assert.deepEqual(found, []);
});
