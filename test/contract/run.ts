/**
 * `npm run test:contract [-- NAME…] [--write-docs] [--record]`: puts all questions to the named servers, or to all.
 * Fails when the embedded server answers otherwise than AWS, when a real one answers otherwise than is known of it,
 * when a server can't be run, and when docs/stores.md says something else. `--record` takes the answers as known.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { startEmbedded } from "../servers/embedded.ts";
import { useServer } from "../servers/real-server.ts";
import { Missing } from "../servers/server.ts";
import type { RunningServer } from "../servers/server.ts";
import { REAL_SERVERS } from "../servers/servers.ts";
import { AREAS, CHECKS } from "./checks.ts";
import { expectedAnswers, findStale, readKnown, writeKnown } from "./known.ts";
import { isAnswer, runChecks } from "./run-checks.ts";
import type { Answers } from "./run-checks.ts";
import { STORES_PAGE, renderStoresPage } from "./stores-page.ts";

interface Subject {
  readonly name: string;
  start(): Promise<RunningServer>;
  known(): Promise<Answers>;
  record(answers: Answers): Promise<void>;
}

const SUBJECTS: readonly Subject[] = [
  { name: "embedded", start: startEmbedded, known: async () => new Map(), record: async () => {} },
  ...REAL_SERVERS.map((server) => ({
    name: server.name,
    start: () => useServer(server),
    known: () => readKnown(server.name),
    record: (answers: Answers) => writeKnown(server.name, CHECKS, answers),
  })),
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "write-docs": { type: "boolean", default: false }, record: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !SUBJECTS.some((subject) => subject.name === name));
if (unknown.length > 0) throw new Error(`no server is called ${unknown.join(", ")}`);
const subjects = SUBJECTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

await using running = new AsyncDisposableStack();
// Each server's run ends after the question at hand, and everything that was started is stopped as always.
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort());

const results = new Map<string, Answers>();
const faults: string[] = [];
await Promise.all(
  subjects.map(async (subject) => {
    try {
      const answers = await runChecks(running.use(await subject.start()), CHECKS, interrupted.signal);
      results.set(subject.name, answers);
      if (values.record) {
        if ([...answers.values()].every(isAnswer)) await subject.record(answers);
        else faults.push(`${subject.name}: nothing is recorded, since some questions could not be asked`);
      }
      const found = await compare(subject, answers);
      faults.push(...found);
      console.log(`${subject.name}: ${answers.size} questions, ${found.length} unexpected`);
    } catch (error) {
      if (interrupted.signal.aborted) return;
      if (!(error instanceof Missing)) throw error;
      faults.push(`${subject.name}: can't be run: ${error.message}`);
    }
  }),
);
if (interrupted.signal.aborted) faults.push("interrupted");
else await checkStoresPage();
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;

async function compare(subject: Subject, answers: Answers): Promise<string[]> {
  const known = await subject.known();
  const expected = expectedAnswers(CHECKS, known);
  const stale = findStale(CHECKS, known).map((id) => `${subject.name}: ${id} is recorded and is no difference`);
  const different = CHECKS.filter(({ id }) => answers.get(id) !== expected.get(id)).map(
    ({ id, question }) => `${subject.name}: ${id} (${question}): ${answers.get(id)}, expected ${expected.get(id)}`,
  );
  return [...stale, ...different];
}

/** The page shows all real servers, so a run of some of them can neither write nor compare it. */
async function checkStoresPage(): Promise<void> {
  const columns = REAL_SERVERS.flatMap(({ name, title }) => {
    const answers = results.get(name);
    return answers === undefined ? [] : [{ title, answers }];
  });
  if (columns.length < REAL_SERVERS.length) {
    if (values["write-docs"]) faults.push("docs/stores.md is written from a run of all servers only");
    return;
  }
  const page = renderStoresPage(AREAS, columns);
  if (values["write-docs"]) await writeFile(STORES_PAGE, page);
  else if ((await readFile(STORES_PAGE, "utf8")) !== page) {
    faults.push("docs/stores.md is not what this run found: npm run test:contract -- --write-docs");
  }
}
