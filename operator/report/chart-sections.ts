import { formatBytes, formatDuration } from "../../shared/config/units.ts";
import type { Chart, Width } from "./chart.ts";
import { exposureChart } from "./exposure-chart.ts";
import { freshnessChart, HOSTS_CHARTED, LEVELS } from "./freshness-chart.ts";
import { nameOf, volumeChart } from "./volume-chart.ts";
import { drawSvg } from "./draw.ts";
import { DAY_MS } from "./buckets.ts";
import { counted, formatBucket, formatCount, formatDay, formatMinute, formatRuns } from "./format.ts";
import { html, trusted, type Html } from "./html.ts";
import type { HostFreshness, ReportData } from "./report-data.ts";
import { foldedTable, tableOf } from "./table.ts";

const HOSTS_LISTED = 500;

/** The same picture for a desk or paper, and for a phone; one of them is shown. */
function picture(label: string, chart: (width: Width) => Chart): Html {
  const draw = (width: Width): Html => {
    const { option, size } = chart(width);
    // The library escapes the texts that it draws; what is around them is its own.
    const [, inner = ""] = /^<svg[^>]*>([\s\S]*)<\/svg>$/.exec(drawSvg(option, size)) ?? [];
    return html`<svg
      class="${width}"
      role="img"
      aria-label="${label}"
      viewBox="0 0 ${size.widthPx} ${size.heightPx}"
      width="${size.widthPx}"
      height="${size.heightPx}"
    >
      ${trusted(inner)}
    </svg>`;
  };
  return html`${draw("wide")}${draw("narrow")}`;
}

export function freshnessSection({ hosts, days, nowMs }: ReportData): Html {
  const intro = html`<h2 id="freshness">Freshness</h2>
    <p class="sub">Backups that were complete on each day (UTC), by host.</p>`;
  if (hosts.length === 0)
    return html`<section aria-labelledby="freshness">
      ${intro}
      <p>No host is configured, and none has stored anything.</p>
    </section>`;
  const overdue = hosts.filter(({ overdueSets }) => overdueSets.length > 0).length;
  const from = days.starts[0] ?? nowMs;
  const label = `Calendar of ${counted(Math.min(hosts.length, HOSTS_CHARTED), "host")} from ${formatDay(from)} to ${formatDay(nowMs)}: ${overdue === 0 ? "none is overdue" : `${counted(overdue, "host")} overdue`}. The table below says the same.`;
  return html`<section aria-labelledby="freshness">
    ${intro}
    <figure>
      ${picture(label, (width) => freshnessChart(hosts, days, width))}
      <figcaption>
        ${freshnessKey()}${hosts.length > HOSTS_CHARTED ? html`<p>${formatCount(hosts.length - HOSTS_CHARTED)} further hosts are in the table only.</p>` : null}
      </figcaption>
    </figure>
    ${freshnessTable(hosts.slice(0, HOSTS_LISTED), days.starts, nowMs)}
    ${hosts.length > HOSTS_LISTED ? html`<p class="note">And ${formatCount(hosts.length - HOSTS_LISTED)} further hosts.</p>` : null}
  </section>`;
}

function freshnessKey(): Html {
  const square = (color: string, size: number): Html =>
    html`<svg viewBox="0 0 26 12" aria-hidden="true">
      <rect x="${13 - size / 2}" y="${6 - size / 2}" width="${size}" height="${size}" fill="${color}" />
    </svg>`;
  return html`<ul class="key">
    <li>${square("var(--level-0)", 5)}none that day</li>
    ${LEVELS.map(({ name, color }) => html`<li>${square(color, 12)}${name}</li>`)}
    <li>
      <svg viewBox="0 0 26 12" aria-hidden="true">
        <path
          transform="translate(7 0)"
          fill="var(--bad)"
          d="M0 2L2 0L6 4L10 0L12 2L8 6L12 10L10 12L6 8L2 12L0 10L4 6Z"
        /></svg
      >found overdue
    </li>
  </ul>`;
}

function freshnessTable(hosts: readonly HostFreshness[], starts: readonly number[], nowMs: number): Html {
  const columns = [
    { header: "Host", kind: "row" },
    { header: "State" },
    { header: "Last backup", kind: "time" },
    { header: "Days with one", kind: "number" },
    { header: "Days without" },
  ] as const;
  const rows = hosts.map(({ host, days, lastMs, overdueSets }) => {
    const first = days.findIndex((count) => count > 0);
    const lived = first === -1 ? [] : starts.slice(first);
    const without = lived.filter((_, index) => days[first + index] === 0);
    return [
      host,
      stateOf(lastMs, overdueSets),
      lastMs === null ? "–" : `${formatMinute(lastMs)} (${formatDuration(Math.max(0, nowMs - lastMs))} ago)`,
      `${lived.length - without.length} of ${lived.length}`,
      without.length === 0 ? "none" : formatRuns(without, DAY_MS),
    ];
  });
  return tableOf(
    `Last backup of each host, and days without one since ${formatDay(starts[0] ?? nowMs)}`,
    columns,
    rows,
  );
}

function stateOf(lastMs: number | null, overdueSets: readonly string[]): Html {
  if (overdueSets.length > 0) return html`<span class="state bad">✗ overdue:</span> ${overdueSets.join(", ")}`;
  if (lastMs === null) return html`<span class="state warn">! nothing yet</span>`;
  return html`<span class="state good">✓ fresh</span>`;
}

export function exposureSection({ exposure, nowMs }: ReportData): Html {
  const { buckets, rows, all } = exposure;
  const intro = html`<h2 id="exposure">Exposure</h2>
    <p class="sub">
      From the moment an object was complete in the drop-zone to its record in the vault, per ${buckets.unit};
      logarithmic scale.
    </p>`;
  if (all === null)
    return html`<section aria-labelledby="exposure">
      ${intro}
      <p>Nothing was moved in this time.</p>
    </section>`;
  const label = `Line chart of exposure per ${buckets.unit} from ${formatDay(buckets.starts[0] ?? nowMs)} to ${formatDay(nowMs)}: over all ${counted(all.count, "object")} the median is ${formatDuration(all.p50Ms)}, the 99th percentile ${formatDuration(all.p99Ms)}, the largest ${formatDuration(all.maxMs)}. The table below has each ${buckets.unit}.`;
  const table = rows.flatMap((row, index) =>
    row === null
      ? []
      : [
          [
            formatBucket(buckets, buckets.starts[index] ?? 0),
            formatCount(row.count),
            ...[row.p50Ms, row.p99Ms, row.maxMs].map(formatDuration),
          ],
        ],
  );
  const columns = [
    { header: "UTC", kind: "row" },
    { header: "Objects", kind: "number" },
    { header: "p50", kind: "number" },
    { header: "p99", kind: "number" },
    { header: "max", kind: "number" },
  ] as const;
  return html`<section aria-labelledby="exposure">
    ${intro}
    <figure>
      ${picture(label, (width) => exposureChart(exposure, width))}
      <figcaption>
        <ul class="key">
          <li>${line("var(--series-1)", 2.5, "none")}p50, the median: ${formatDuration(all.p50Ms)}</li>
          <li>${line("var(--series-2)", 2, "5 3")}p99: ${formatDuration(all.p99Ms)}</li>
          <li>${line("var(--series-3)", 1.5, "2 2")}max: ${formatDuration(all.maxMs)}</li>
        </ul>
      </figcaption>
    </figure>
    <details class="screen">
      <summary>Exposure as a table</summary>
      ${tableOf(`Exposure per ${buckets.unit}`, columns, table.toReversed())}
    </details>
  </section>`;
}

function line(color: string, width: number, dash: string): Html {
  return html`<svg viewBox="0 0 26 12" aria-hidden="true">
    <path d="M0 6H26" fill="none" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash}" />
  </svg>`;
}

export function volumeSection({ sets, setsLeftOut, exposure: { buckets }, sinceMs, nowMs }: ReportData): Html {
  const intro = html`<h2 id="volume">Volume</h2>
    <p class="sub">Stored bytes per ${buckets.unit} of the largest sets, each on its own scale.</p>`;
  if (sets.length === 0)
    return html`<section aria-labelledby="volume">
      ${intro}
      <p>The vault holds nothing yet.</p>
    </section>`;
  const charted = sets.filter(({ bytesPerBucket }) => bytesPerBucket !== null);
  const label = `Bar charts of the bytes stored per ${buckets.unit} since ${formatDay(sinceMs)}: ${charted.map((set) => `${nameOf(set)} ${formatBytes(set.recentBytes)}`).join(", ")}. The table below has all sets.`;
  const columns = [
    { header: "Set", kind: "row" },
    { header: `Since ${formatDay(sinceMs)}`, kind: "number" },
    { header: "Objects", kind: "number" },
    { header: "Stored in all", kind: "number" },
    { header: "Last", kind: "time" },
  ] as const;
  const rows = sets.map((set) => [
    nameOf(set),
    formatBytes(set.recentBytes),
    formatCount(set.objects),
    formatBytes(set.bytes),
    formatMinute(Math.min(set.lastMs, nowMs)),
  ]);
  return html`<section aria-labelledby="volume">
    ${intro}
    ${charted.length === 0 ? html`<p>Nothing was stored in this time.</p>` : html`<figure>${picture(label, (width) => volumeChart(charted, buckets, width))}</figure>`}
    ${foldedTable("Volume of each set", columns, rows)}
    ${setsLeftOut === null ? null : html`<p class="note">And ${counted(setsLeftOut.sets, "smaller set")}: ${counted(setsLeftOut.objects, "object")}, ${formatBytes(setsLeftOut.bytes)}.</p>`}
  </section>`;
}
