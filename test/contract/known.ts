/** What the real servers are known to answer where it is not what AWS answers: one file per server, in version control. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { RealServerName } from "../servers/real-server.ts";
import type { Check } from "./check.ts";
import type { Answers } from "./run-checks.ts";

const differences = z.record(z.string(), z.string());

export async function readKnown(server: RealServerName): Promise<Answers> {
  return new Map(Object.entries(differences.parse(JSON.parse(await readFile(pathOf(server), "utf8")))));
}

/** Only for a person who has looked at what changed: `npm run test:contract -- --record`. */
export async function writeKnown(server: RealServerName, checks: readonly Check[], answers: Answers): Promise<void> {
  const different = checks
    .map(({ id, aws }) => ({ id, aws, answer: answers.get(id) ?? "not asked" }))
    .filter(({ aws, answer }) => answer !== aws);
  const text = JSON.stringify(Object.fromEntries(different.map(({ id, answer }) => [id, answer])), null, 2);
  await writeFile(pathOf(server), `${text}\n`);
}

/** What is expected of a server: AWS's answers, with its known differences in their place. */
export function expectedAnswers(checks: readonly Check[], known: Answers): Answers {
  return new Map(checks.map(({ id, aws }) => [id, known.get(id) ?? aws]));
}

/** Entries that no check asks for, or that are no differences: left behind by a change of the suite. */
export function findStale(checks: readonly Check[], known: Answers): string[] {
  const byId = new Map(checks.map((check) => [check.id, check]));
  return [...known].filter(([id, answer]) => (byId.get(id)?.aws ?? answer) === answer).map(([id]) => id);
}

function pathOf(server: RealServerName): string {
  return join(import.meta.dirname, "known", `${server}.json`);
}
