import { formatBytes, formatDuration } from "../../shared/config/units.ts";
import type { DrillResult } from "../drill-result.ts";
import { counted, formatCount, formatMinute } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { ReportData } from "./report-data.ts";
import { tableOf } from "./table.ts";

export function holdsSection({ holds }: ReportData): Html {
  const columns = [
    { header: "Host", kind: "row" },
    { header: "Reason" },
    { header: "Objects", kind: "number" },
    { header: "Since", kind: "time" },
    { header: "Mover" },
  ] as const;
  const rows = holds.map(({ host, reason, count, sinceMs, mover }) => [
    host === "*" ? "not configured" : host,
    html`<code>${reason}</code>`,
    formatCount(count),
    formatMinute(sinceMs),
    mover,
  ]);
  return html`<section aria-labelledby="holds">
    <h2 id="holds">Holds</h2>
    <p class="sub">Objects that wait in the drop-zone because the mover refused them, as the ledger last said.</p>
    ${rows.length === 0 ? html`<p><span class="state good">✓</span> Nothing is held.</p>` : tableOf("Held objects", columns, rows)}
  </section>`;
}

export function alarmsSection({ alarms: { byCode, newest }, sinceMs }: ReportData): Html {
  const total = [...byCode.values()].reduce((sum, count) => sum + count, 0);
  const intro = html`<h2 id="alarms">Alarms</h2>
    <p class="sub">What the movers noticed and recorded since ${formatMinute(sinceMs)} UTC.</p>`;
  if (total === 0)
    return html`<section aria-labelledby="alarms">
      ${intro}
      <p><span class="state good">✓</span> Nothing.</p>
    </section>`;
  const columns = [
    { header: "UTC", kind: "time" },
    { header: "Alarm" },
    { header: "About", kind: "text" },
    { header: "Detail", kind: "text" },
  ] as const;
  const rows = newest.map(({ atMs, code, host, set, detail }) => [
    formatMinute(atMs),
    html`<code>${code}</code>`,
    [host, set].filter((part) => part !== null).join("/"),
    detail ?? "",
  ]);
  const sums = [...byCode].toSorted(([, a], [, b]) => b - a);
  return html`<section aria-labelledby="alarms">
    ${intro}
    <p>
      ${sums.map(([code, count], index) => html`${index === 0 ? "" : ", "}${formatCount(count)} <code>${code}</code>`)}
    </p>
    ${tableOf(total > newest.length ? `The newest ${newest.length} of ${formatCount(total)}` : "All of them, newest first", columns, rows)}
  </section>`;
}

export function ledgerSection({ ledgers, problems, problemsLeftOut, totals: { statements } }: ReportData): Html {
  const columns = [
    { header: "Mover", kind: "row" },
    { header: "Chain and signatures" },
    { header: "Segments", kind: "number" },
    { header: "Entries", kind: "number" },
    { header: "Last written", kind: "time" },
    { header: "Head" },
  ] as const;
  const rows = ledgers.map(({ mover, segments, entries, head, problems: count }) => [
    mover,
    chainState(head === null, count),
    formatCount(segments),
    formatCount(entries),
    head === null ? "–" : formatMinute(head.writtenAt.getTime()),
    head === null ? "–" : html`${head.segment}: <code>${head.digest}</code>`,
  ]);
  const words = [
    ["verified", "verified"],
    ["unsigned", "unsigned, of hosts that do not sign"],
    ["missing", "missing"],
    ["host-unknown", "of hosts whose keys are not listed"],
    ["invalid", "invalid"],
  ] as const;
  const signed = words.flatMap(([word, text]) => {
    const count = statements.get(word) ?? 0;
    return count === 0 ? [] : [`${formatCount(count)} ${text}`];
  });
  return html`<section aria-labelledby="ledger">
    <h2 id="ledger">Ledger</h2>
    <p class="sub">
      Each mover's hash chain from its first segment to its head, every segment's signature, and every statement's.
    </p>
    ${tableOf("Ledgers", columns, rows)}
    <p>Statements: ${signed.length === 0 ? "none yet" : signed.join("; ")}.</p>
    ${
      problems.length === 0
        ? null
        : html`<h3>Problems</h3>
            <ul>
              ${problems.map(({ code, message }) => html`<li><code>${code}</code> ${message}</li>`)}
            </ul>`
    }
    ${problemsLeftOut === 0 ? null : html`<p>And ${counted(problemsLeftOut, "more", "more")}: run <code>airlock verify</code>.</p>`}
  </section>`;
}

function chainState(isEmpty: boolean, problems: number): Html {
  if (problems > 0) return html`<span class="state bad">✗ ${counted(problems, "problem")}</span>`;
  return isEmpty ? html`<span class="state warn">! empty</span>` : html`<span class="state good">✓ verified</span>`;
}

export function drillSection({ drill, nowMs }: ReportData): Html {
  const intro = html`<h2 id="drill">Last drill</h2>
    <p class="sub">A restore that was really tried: fetched, verified, decrypted and unpacked.</p>`;
  if (drill === null)
    return html`<section aria-labelledby="drill">
      ${intro}
      <p><span class="state warn">! None yet.</span> Run <code>airlock drill</code>, best from cron.</p>
    </section>`;
  const { outcome, startedAt, endedAt, objects, error, setsInVault, named, run } = drill;
  const state =
    outcome === "passed"
      ? html`<span class="state good">✓ Passed</span>`
      : html`<span class="state bad">✗ Failed</span>`;
  const what = named === null ? `a sample of ${objects.length} of ${counted(setsInVault, "set")}` : named;
  const took = formatDuration(Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)));
  const ago = formatDuration(Math.max(0, nowMs - Date.parse(endedAt)));
  return html`<section aria-labelledby="drill">
    ${intro}
    <p>
      ${state} on ${formatMinute(Date.parse(startedAt))} UTC, ${ago} ago, in ${took}: ${what}.
      ${run === null ? null : html`Each result was given to <code>${run.join(" ")}</code>.`}
      ${error === null ? null : html`<code>${error.code}</code> ${error.message}`}
    </p>
    ${objects.length === 0 ? null : drillTable(objects)}
  </section>`;
}

const DRILL_OBJECTS_LISTED = 100;

function drillTable(objects: DrillResult["objects"]): Html {
  const columns = [
    { header: "Set", kind: "row" },
    { header: "Result", kind: "text" },
    { header: "Recorded", kind: "time" },
    { header: "Stored", kind: "number" },
    { header: "Restored", kind: "number" },
    { header: "Files", kind: "number" },
    { header: "Took", kind: "number" },
  ] as const;
  const rows = objects
    .slice(0, DRILL_OBJECTS_LISTED)
    .map((object) => [
      `${object.host}/${object.set}`,
      object.outcome === "passed"
        ? html`<span class="state good">✓ passed</span>`
        : html`<span class="state bad">✗ failed</span>
            ${object.error === null ? "" : `${object.error.code}: ${object.error.message}`}`,
      formatMinute(Date.parse(object.at)),
      formatBytes(object.storedBytes),
      formatBytes(object.restoredBytes),
      formatCount(object.files),
      formatDuration(object.durationMs),
    ]);
  return tableOf("Objects of the drill", columns, rows);
}
