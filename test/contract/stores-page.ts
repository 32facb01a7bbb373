/** docs/stores.md: how each store differs from AWS, and what that means. A pure function of the answers. */
import { join } from "node:path";
import type { Area, Check, Meaning } from "./check.ts";
import type { Answers } from "./run-checks.ts";

export const STORES_PAGE = join(import.meta.dirname, "..", "..", "docs", "stores.md");

export interface Column {
  /** Name and version. */
  readonly title: string;
  readonly answers: Answers;
}

export function renderStoresPage(areas: readonly Area[], columns: readonly Column[]): string {
  const total = areas.reduce((sum, { checks }) => sum + checks.length, 0);
  return [
    "# Stores: what they keep of S3's promises",
    "",
    "Written by `npm run test:contract -- --write-docs`; do not edit.",
    "",
    `Airlock relies on what Amazon S3 documents. The contract suite (\`test/contract/\`) puts that as ${total} questions to each`,
    "store. The embedded server of the tests has to answer all of them as AWS does. Where a real store answers",
    "differently, that is recorded here, and a run in which it answers in yet another way fails.",
    "",
    'An answer is a status and an error code, or a few words. "=" means: the same as AWS.',
    "",
    ...areas.flatMap((area) => renderTable(area, columns)),
    "## What the differences mean",
    "",
    ...columns.flatMap((column) => renderDifferences(areas, column)),
  ]
    .join("\n")
    .replace(/\n*$/, "\n");
}

function renderTable(area: Area, columns: readonly Column[]): string[] {
  const titles = columns.map(({ title }) => title);
  return [
    `## ${area.title}`,
    "",
    row(["question", "AWS", ...titles]),
    row(["---", "---", ...titles.map(() => "---")]),
    ...area.checks.map((check) =>
      row([
        check.question,
        text(check.aws),
        ...columns.map(({ answers }) =>
          answerTo(check, answers) === check.aws ? "=" : text(answerTo(check, answers)),
        ),
      ]),
    ),
    "",
  ];
}

/** Differences that mean the same are told once. */
function renderDifferences(areas: readonly Area[], { title, answers }: Column): string[] {
  const byMeaning = new Map<string, string[]>();
  for (const check of areas.flatMap(({ checks }) => checks)) {
    const answer = answerTo(check, answers);
    if (answer === check.aws) continue;
    const means = renderMeaning(meaningOf(check, answer));
    const differences = byMeaning.get(means) ?? [];
    byMeaning.set(means, [...differences, `${check.question}: **${text(answer)}**, AWS ${text(check.aws)}`]);
  }
  const lines = [...byMeaning].flatMap(([means, differences]) => [
    means,
    "",
    ...differences.map((it) => `- ${it}`),
    "",
  ]);
  return [`### ${title}`, "", ...(lines.length === 0 ? ["None.", ""] : lines)];
}

export function meaningOf({ otherwise }: Check, answer: string): Meaning {
  return typeof otherwise === "function" ? otherwise(answer) : otherwise;
}

function renderMeaning({ dropZone, vault }: Meaning): string {
  if (dropZone === vault) return `As drop-zone and as vault: ${dropZone}`;
  return [
    ...(dropZone === null ? [] : [`As drop-zone: ${dropZone}`]),
    ...(vault === null ? [] : [`As vault: ${vault}`]),
  ].join(" ");
}

function answerTo({ id }: Check, answers: Answers): string {
  return answers.get(id) ?? "not asked";
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** As it is, in a cell of a table. */
function text(answer: string): string {
  return answer.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
