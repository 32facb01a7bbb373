/** docs/recipes.md as something that can be run: its blocks as they stand there, with the test's own paths in place. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import assert from "node:assert/strict";
import { parse } from "yaml";
import { until } from "../servers/processes.ts";
import { TOOLS } from "../servers/tools.ts";
import { root, startWorld, type World, type WorldOptions } from "../support/world.ts";
import { fetchObject, makeIdentity, requirePrograms, RESTORE_PROGRAMS, run } from "./support.ts";

interface Block {
  /** The heading that it stands under, of the second level. */
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

export function readRecipes(): readonly Block[] {
  const page = readFileSync(join(root, "docs/recipes.md"), "utf8");
  return page
    .split(/^## /m)
    .slice(1)
    .flatMap((part) => {
      const section = part.slice(0, part.indexOf("\n"));
      return Array.from(part.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language = "", text = ""]) => ({
        section,
        language,
        text,
      }));
    });
}

export interface Replacement {
  readonly what: string;
  readonly by: string;
}

/** The only block of that kind in a section that has `containing`, with the test's paths and names. */
export function recipe(
  section: string,
  language: string,
  containing: string,
  replacements: readonly Replacement[] = [],
): string {
  const found = readRecipes().filter(
    (block) => block.section === section && block.language === language && block.text.includes(containing),
  );
  assert.equal(found.length, 1, `${found.length} ${language} blocks with ${containing} in ${section}`);
  let text = found[0]?.text ?? "";
  for (const { what, by } of replacements) {
    assert.ok(text.includes(what), `the recipe no longer has ${what}`);
    text = text.replaceAll(what, by);
  }
  return text;
}

export interface Bench extends AsyncDisposable {
  readonly world: World;
  /** Everything of the test's; scripts run here. */
  readonly folder: string;
  /** Runs a block of sets, each once; the mover takes what they store. */
  store(setsYaml: string, env?: Readonly<Record<string, string>>): Promise<void>;
  move(): Promise<void>;
  /** Fetches the latest object of a set with another S3 client, under its own name. */
  fetch(host: string, set: string): Promise<string>;
  /** Runs a block as a person would, in `folder`, with `airlock` and `age` at hand. */
  shell(script: string, env?: Readonly<Record<string, string>>): Promise<string>;
}

/** @param path folders whose programs come first */
export async function openBench(path: readonly string[] = [], options: WorldOptions = {}): Promise<Bench> {
  await requirePrograms(...RESTORE_PROGRAMS);
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "airlock-recipe-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const identity = await makeIdentity(folder);
  const world = stack.use(await startWorld({ recipient: identity.recipient, ...options }));
  await symlink(identity.file, join(folder, "airlock-identity.txt"));
  const bin = join(folder, "bin");
  await mkdir(bin);
  await symlink(TOOLS.age, join(bin, "age"));
  const airlock = `#!/bin/sh\nexec ${process.execPath} ${join(root, "operator/main.ts")} --config ${world.operatorConfig} "$@"\n`;
  await writeFile(join(bin, "airlock"), airlock);
  await chmod(join(bin, "airlock"), 0o755);
  const PATH = [bin, ...path, process.env["PATH"] ?? ""].join(delimiter);

  async function moveAll(): Promise<void> {
    const { exit, stderr } = await world.run("mover", ["run", "--once"]);
    assert.equal(exit, 0, stderr);
  }
  const owned = stack.move();
  return {
    world,
    folder,
    move: moveAll,
    async store(setsYaml, env = {}) {
      const config = join(folder, "uploader.yaml");
      await writeFile(config, `${await readFile(world.uploaderConfig("web1"), "utf8")}\n${setsYaml}`);
      const { sets } = parse(setsYaml) as { sets: Record<string, object> }; // what a block of sets is
      for (const set of Object.keys(sets)) {
        const ran = await world.run("uploader", ["--config", config, "run-set", set], { env: { PATH, ...env } });
        assert.equal(ran.exit, 0, ran.stderr);
      }
      await moveAll();
    },
    async fetch(host, set) {
      const latest = (await world.listVault(`archive/${host}/${set}/`)).at(-1);
      assert.ok(latest !== undefined, `the vault has nothing of ${set}`);
      const name = basename(latest.key);
      await fetchObject(world, latest.key, join(folder, name));
      return name;
    },
    async shell(script, env = {}) {
      const { stdout } = await run("bash", ["-e", "-o", "pipefail", "-c", script], {
        cwd: folder,
        env: { HOME: folder, NODE_NO_WARNINGS: "1", ...env, PATH },
        maxBuffer: 1 << 28,
      });
      return stdout;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs the agent on these sets until the watched folder is empty: what was there is in the drop-zone then. */
export async function watchUntilTaken(bench: Bench, sets: string, folder: string): Promise<void> {
  const config = join(bench.folder, "agent.yaml");
  await writeFile(config, `${await readFile(bench.world.uploaderConfig("web1"), "utf8")}\n${sets}`);
  const agent = bench.world.start("uploader", ["--config", config, "run"]);
  const isEmpty = await until(async () => (await readdir(folder)).length === 0, 60_000);
  agent.process.kill("SIGTERM");
  const { exit, stderr } = await agent.ended;
  assert.ok(isEmpty, stderr);
  assert.equal(exit, 0, stderr);
  await bench.move();
}
