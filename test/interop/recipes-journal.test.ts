/** The journal's recipe of docs/recipes.md, on a journal of the test's own. Needs `npm run servers:install`. */
import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { JOURNAL_LIBRARIES, TOOLS } from "../servers/tools.ts";
import { openBench, recipe, watchUntilTaken, type Bench } from "./recipes.ts";
import { requirePrograms, run } from "./support.ts";

const BOOT_US = 1_763_769_000_000_000;
const env = { LD_LIBRARY_PATH: JOURNAL_LIBRARIES };

async function writeProgram(bench: Bench, name: string, text: string): Promise<void> {
  await writeFile(join(bench.folder, "bin", name), `#!/bin/sh\n${text}\n`);
  await chmod(join(bench.folder, "bin", name), 0o755);
}

/** Adds a journal with these messages to the folder, in the format that `journalctl --output=export` has. */
async function addJournal(bench: Bench, journal: string, messages: readonly string[], atUs: number): Promise<void> {
  const id = "6a0c6f6b7d5e4e0f9f0e6c1c6d9b2a11";
  const entry = (message: string, index: number): string =>
    `__REALTIME_TIMESTAMP=${atUs + index}\n__MONOTONIC_TIMESTAMP=${atUs + index - BOOT_US}\n_BOOT_ID=${id}\n_MACHINE_ID=${id}\nPRIORITY=6\nMESSAGE=${message}\n\n`;
  const file = join(bench.folder, "in.export");
  await writeFile(file, messages.map(entry).join(""));
  await run(TOOLS.journalRemote, [`--output=${join(journal, `${atUs}.journal`)}`, file], {
    env: { ...process.env, ...env },
  });
}

test("the journal: each run exports what is new, a run that fails loses nothing, and it is a journal again", async () => {
  await requirePrograms([TOOLS.age, "--version"], ["journalctl", "--version"]);
  await run(TOOLS.journalRemote, ["--version"], { env: { ...process.env, ...env } }).catch((cause: unknown) => {
    throw new Error("systemd-journal-remote is missing: run npm run servers:install", { cause });
  });
  await using bench = await openBench();
  const at = "The journal";
  const [spool, journal] = [join(bench.folder, "spool"), join(bench.folder, "machine-journal")];
  const done = join(spool, "done");
  await mkdir(spool);
  await mkdir(journal);
  // the machine's own journal is somebody else's
  await writeProgram(
    bench,
    "journalctl",
    `case "$*" in *--file=*) ;; *) set -- --directory=${journal} "$@" ;; esac\nexec /usr/bin/journalctl "$@"`,
  );
  const script = recipe(at, "sh", "# export the journal", [{ what: "/var/spool/airlock/journal", by: spool }]);
  const messagesOf = async (name: string): Promise<string[]> =>
    (await readFile(join(done, name), "utf8")).split("\n").filter((line) => line.startsWith("MESSAGE="));

  await addJournal(bench, journal, ["one", "zwei ü"], 1_763_769_600_000_000);
  await bench.shell(script);
  const [first = "", ...none] = await readdir(done);
  assert.deepEqual(none, []);
  assert.deepEqual(await messagesOf(first), ["MESSAGE=one", "MESSAGE=zwei ü"]);
  await bench.shell(script);
  assert.deepEqual(await readdir(done), [first]);

  await addJournal(bench, journal, ["three"], 1_763_769_700_000_000);
  await writeProgram(bench, "sync", "exit 1"); // a full disk, say
  await assert.rejects(bench.shell(script));
  assert.deepEqual(await readdir(done), [first]);
  await writeProgram(bench, "sync", 'exec /bin/sync "$@"');
  await bench.shell(script);
  const second = (await readdir(done)).find((name) => name !== first) ?? "";
  assert.deepEqual(await messagesOf(second), ["MESSAGE=three"]);

  const sets = recipe(at, "yaml", "watch", [{ what: "/var/spool/airlock/journal/done", by: done }]);
  await watchUntilTaken(bench, sets.replace("after: delete", "after: delete, settle: 100ms"), done);
  const restore = recipe(at, "sh", "# with Airlock", [
    { what: "/lib/systemd/systemd-journal-remote", by: TOOLS.journalRemote },
  ]);
  const shown = await bench.shell(restore, env);
  assert.match(shown, /one[\s\S]*zwei ü|three/);
});
