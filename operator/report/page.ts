/** The report as one HTML page: nothing in it is fetched from anywhere, and nothing in it runs. */
import { formatBytes, formatDuration } from "../../shared/config/units.ts";
import { VERSION } from "../../shared/version.ts";
import { findAttention } from "./attention.ts";
import { counted, formatCount, formatMinute } from "./format.ts";
import { html, trusted, type Html } from "./html.ts";
import type { ReportData } from "./report-data.ts";
import { alarmsSection, drillSection, holdsSection, ledgerSection } from "./sections.ts";
import { exposureSection, freshnessSection, volumeSection } from "./chart-sections.ts";
import { STYLE } from "./style.ts";

/** Even if something from outside were taken for markup, nothing could be loaded, sent or run. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function renderPage(data: ReportData): string {
  const title = `Backups in ${data.vault}`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="sub">
            ${formatMinute(data.nowMs)} UTC · charts since ${formatMinute(data.sinceMs)} UTC · times are UTC
          </p>
        </header>
        <main>
          ${verdictSection(data)} ${figures(data)} ${freshnessSection(data)} ${exposureSection(data)}
          ${volumeSection(data)} ${holdsSection(data)} ${alarmsSection(data)} ${ledgerSection(data)}
          ${drillSection(data)}
        </main>
        <footer>
          <p>
            Made by airlock ${VERSION} from the vault's own ledger, each signature verified with the operator's list of
            keys. It says what was recorded; whether each object is still there is for <code>airlock verify</code>.
          </p>
        </footer>
      </body>
    </html> `.markup;
}

function verdictSection(data: ReportData): Html {
  const found = findAttention(data);
  if (found.length === 0) {
    return html`<section class="verdict" aria-labelledby="verdict">
      <h2 id="verdict">✓ All is well</h2>
      <p>Every set came in time, nothing is held, the ledger verifies, and a restore was tried.</p>
    </section>`;
  }
  const level = found.some((each) => each.level === "bad") ? "bad" : "warn";
  const heading = `${level === "bad" ? "✗" : "!"} ${counted(found.length, "thing")} to look at`;
  return html`<section class="verdict ${level}" aria-labelledby="verdict">
    <h2 id="verdict">${heading}</h2>
    <ul>
      ${found.map(({ text }) => html`<li>${text}</li>`)}
    </ul>
  </section>`;
}

function figures({ totals, exposure, hosts, sets, setsLeftOut, nowMs }: ReportData): Html {
  const { objects, bytes, statements, lastMs } = totals;
  const verified = statements.get("verified") ?? 0;
  const all = exposure.all;
  const setCount = sets.length + (setsLeftOut?.sets ?? 0);
  const rows: readonly (readonly [string, string, string])[] = [
    [
      "Objects in the vault",
      formatCount(objects),
      objects === 0 ? "" : `${formatShare(verified, objects)} with a verified signature`,
    ],
    ["Stored", formatBytes(bytes), `${counted(hosts.length, "host")}, ${counted(setCount, "set")}`],
    [
      "Median exposure",
      all === null ? "–" : formatDuration(all.p50Ms),
      all === null ? "" : `p99 ${formatDuration(all.p99Ms)}`,
    ],
    [
      "Last backup",
      lastMs === null ? "–" : `${formatDuration(Math.max(0, nowMs - lastMs))} ago`,
      lastMs === null ? "" : `${formatMinute(lastMs)} UTC`,
    ],
  ];
  return html`<dl class="figures">
    ${rows.map(
      ([term, value, note]) =>
        html`<div>
          <dt>${term}</dt>
          <dd>${value}<small>${note}</small></dd>
        </div>`,
    )}
  </dl>`;
}

/** Rounded down: 100 % means all. */
function formatShare(part: number, whole: number): string {
  return part === whole ? "all" : `${(Math.floor((part / whole) * 1000) / 10).toFixed(1)} %`;
}
