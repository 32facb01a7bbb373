import assert from "node:assert/strict";
import { test } from "node:test";
import { gatherReport } from "../../../../operator/report/gather.ts";
import { renderPage } from "../../../../operator/report/page.ts";
import { DRILL, makeMonths, makeSource, NOW } from "./source.ts";

const EVIL = `"><img src=x onerror=alert(1)><script>alert(1)</script>'\u202E`;

test("what hosts, stores and files say stands in the page as text", () => {
  const made = makeMonths(["web1"], 3);
  const source = makeSource({
    ...made,
    findings: [{ atMs: NOW - 1000, code: "forked", host: EVIL, set: EVIL, detail: EVIL }],
    holds: [{ atMs: NOW - 1000, holds: { [EVIL]: { [EVIL]: 1 } } }],
    problems: [{ code: "ledger-rewritten", mover: "mover-a", segment: 1, subject: EVIL, message: EVIL }],
    objects: [...made.objects, { host: EVIL, set: EVIL, atMs: NOW - 5000 }],
  });
  const drill = { ...DRILL, run: [EVIL], error: { code: "unexpected", message: EVIL } };
  const page = renderPage(gatherReport(source, { vault: EVIL, hosts: [EVIL], nowMs: NOW, days: 90, drill }));
  assert.doesNotMatch(page, /<(?:img|script)/i);
  assert.doesNotMatch(page.replaceAll("\n", ""), /\u202E/);
  assert.match(page, /&lt;img src=x/);
});

test("the page names nothing that a browser would fetch, and forbids it besides", () => {
  const page = renderPage(
    gatherReport(makeSource(makeMonths(["web1"], 40)), {
      vault: "v",
      hosts: ["web1"],
      nowMs: NOW,
      days: 90,
      drill: DRILL,
    }),
  );
  assert.match(
    page,
    /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;;/,
  );
  assert.doesNotMatch(page, /\b(?:src|href)\s*=|\burl\((?!#)|@import|https?:/i);
});

test("100,000 objects make a page of some hundred KiB", () => {
  const objects = Array.from({ length: 100_000 }, (_, index) => {
    return { host: `web${index % 3}`, set: "logs", atMs: NOW - index * 70_000, exposureMs: 100 + (index % 977) };
  });
  const options = { vault: "v", hosts: [], nowMs: NOW, days: 90, drill: null };
  const page = renderPage(gatherReport(makeSource({ objects }), options));
  assert.ok(page.length < 400_000, `${page.length}`);
});
