/** The page's own style; it uses no font, picture or sheet from anywhere. Colours: Okabe and Ito's, and one blue in steps. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #16202c; --ink-2: #4a5868; --line: #d8dee6;
  --good: #00664b; --good-bg: #e3f4ee; --bad: #b3261e; --bad-bg: #fdecea; --warn: #7a4d00; --warn-bg: #fdf3dc;
  --series-1: #0067a3; --series-2: #b34700; --series-3: #6d4a7c;
  --level-0: #b9c3cf; --level-1: #9cc9e8; --level-2: #3d8fc6; --level-3: #07497a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #10161d; --card: #18212b; --ink: #e8edf3; --ink-2: #a9b6c4; --line: #313d4a;
    --good: #5fd3ab; --good-bg: #12332a; --bad: #ff8f85; --bad-bg: #40201e; --warn: #f0c060; --warn-bg: #3a2e14;
    --series-1: #56b4e9; --series-2: #f0a04b; --series-3: #d3a4e0;
    --level-0: #4a5866; --level-1: #1f567c; --level-2: #3d94cc; --level-3: #a9dcff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 960px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 16px; margin: 20px 0 4px; }
p { margin: 4px 0 12px; }
.sub, figcaption, .note { color: var(--ink-2); font-size: 14px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin: 16px 0; }
.verdict { border-left: 6px solid var(--good); background: var(--good-bg); }
.verdict h2 { color: var(--good); }
.verdict.bad { border-left-color: var(--bad); background: var(--bad-bg); }
.verdict.bad h2 { color: var(--bad); }
.verdict.warn { border-left-color: var(--warn); background: var(--warn-bg); }
.verdict.warn h2 { color: var(--warn); }
.verdict ul { margin: 8px 0 0; padding-left: 20px; }
.verdict p { margin: 0; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 16px 0; }
dl.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
dl.figures dt { color: var(--ink-2); font-size: 13px; }
dl.figures dd { margin: 0; font-size: 24px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
dl.figures dd small { display: block; font-size: 13px; font-weight: 400; color: var(--ink-2); }
figure { margin: 12px 0 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg.narrow { display: none; }
ul.key { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 8px 0 0; padding: 0; font-size: 14px; color: var(--ink-2); }
ul.key svg { width: 26px; height: 12px; display: inline-block; vertical-align: -1px; margin-right: 6px; }
.scroll { overflow-x: auto; margin-top: 14px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--ink-2); padding-bottom: 4px; }
th, td { text-align: left; vertical-align: top; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--ink-2); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; }
tbody th { min-width: 6.5em; overflow-wrap: anywhere; }
td.text { overflow-wrap: anywhere; }
td.number + td { padding-left: 10px; }
thead th.number + th { padding-left: 10px; }
tr:last-child > * { border-bottom: 0; }
th.number, td.number { text-align: right; white-space: nowrap; }
td.time { white-space: nowrap; }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.state { font-weight: 650; white-space: nowrap; }
.state.good { color: var(--good); } .state.bad { color: var(--bad); } .state.warn { color: var(--warn); }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--ink-2); font-size: 14px; padding: 4px 0; }
:focus-visible { outline: 3px solid var(--series-1); outline-offset: 2px; border-radius: 4px; }
footer { color: var(--ink-2); font-size: 14px; padding-bottom: 40px; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 20px; }
  section { padding: 16px 14px; }
  h1 { font-size: 23px; }
  dl.figures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 8px; }
  dl.figures dd { font-size: 20px; }
  figure svg.wide { display: none; }
  figure svg.narrow { display: block; }
}
@media screen and (max-width: 640px) {
  table, tbody, tr, tbody th, td { display: block; }
  caption { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: 8px 0; border-bottom: 1px solid var(--line); }
  tr:last-child { border-bottom: 0; }
  tbody th, td, td.time, td.number, td.number + td { padding: 1px 0; border: 0; text-align: left; white-space: normal; }
  td { display: grid; grid-template-columns: 8.5em 1fr; gap: 8px; }
  td::before { content: attr(data-label); color: var(--ink-2); }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --card: #ffffff; --ink: #000000; --ink-2: #333d47; --line: #b8c0c8;
    --good: #00553f; --good-bg: #ffffff; --bad: #a01b14; --bad-bg: #ffffff; --warn: #6a4300; --warn-bg: #ffffff;
    --series-1: #005a8f; --series-2: #a04000; --series-3: #5d3a6c;
    --level-0: #a0aab4; --level-1: #9cc9e8; --level-2: #3d8fc6; --level-3: #07497a;
  }
  @page { size: A4; margin: 14mm; }
  body { font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main, header, footer { max-width: none; padding: 0; }
  figure svg.wide { width: 88%; }
  header { padding-top: 0; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 12px 0 0; margin: 12px 0; }
  .verdict { border-left: 4px solid var(--good); border-top: 0; padding: 4px 0 4px 12px; }
  dl.figures { grid-template-columns: repeat(4, 1fr); gap: 8px; }
  dl.figures div { padding: 8px 10px; }
  dl.figures dd { font-size: 15pt; }
  figure svg.wide { display: block; }
  figure svg.narrow, details.screen, summary { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .scroll { overflow: visible; }
  figure svg { break-inside: avoid; }
  .sub { break-inside: avoid; }
  h2, h3, .sub, caption, thead { break-after: avoid; }
  tr, .verdict, dl.figures div { break-inside: avoid; }
}
`;
