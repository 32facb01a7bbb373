/** The report in a real browser: as it looks (pictures stay in test-results/report), what it asks for, who can read it. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { gatherReport } from "../../operator/report/gather.ts";
import { renderPage } from "../../operator/report/page.ts";
import { root } from "../support/world.ts";
import { DRILL, makeMonths, makeSource, NOW, type MadeSource } from "../unit/operator/report/source.ts";
import { requirePrograms } from "./support.ts";

const PROGRAM = "/usr/bin/chromium";
const FLAGS =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const pictures = join(root, "test-results", "report");

const forty = Array.from({ length: 40 }, (_, index) =>
  index === 2 ? "a-host-with-a-rather-long-name.example.net" : `host-${index + 1}`,
);
const vaults: ReadonlyMap<
  string,
  { readonly hosts: readonly string[]; readonly made: MadeSource; readonly isTried: boolean }
> = new Map([
  ["none", { hosts: [], made: { objects: [] }, isTried: false }],
  ["one", { hosts: ["web1"], made: { objects: makeMonths(["web1"], 1.5).objects }, isTried: true }],
  ["three", { hosts: ["web1", "db1", "mail"], made: makeMonths(["web1", "db1", "mail"], 120), isTried: true }],
  ["forty", { hosts: forty, made: makeMonths(forty, 120), isTried: true }],
]);
const looks = [
  { name: "light", width: 1280, colorScheme: "light", media: "screen" },
  { name: "dark", width: 1280, colorScheme: "dark", media: "screen" },
  { name: "phone", width: 390, colorScheme: "light", media: "screen" },
  { name: "phone-dark", width: 390, colorScheme: "dark", media: "screen" },
  { name: "print", width: 794, colorScheme: "light", media: "print" },
] as const;

let browser: Browser;

before(async () => {
  await requirePrograms([PROGRAM, "--version"]);
  await mkdir(pictures, { recursive: true });
  for (const [name, { hosts, made, isTried }] of vaults) {
    const options = { vault: "acme-vault", hosts, nowMs: NOW, days: 90, drill: isTried ? DRILL : null };
    await writeFile(join(pictures, `${name}.html`), renderPage(gatherReport(makeSource(made), options)));
  }
  browser = await chromium.launch({ executablePath: PROGRAM, args: FLAGS.split(" ") });
});
after(() => browser.close());

interface Seen {
  readonly page: Page;
  readonly said: readonly string[];
  readonly asked: readonly string[];
}

async function look(
  vault: string,
  { width, colorScheme, media }: (typeof looks)[number],
  see: (seen: Seen) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  try {
    const page = await context.newPage();
    const said: string[] = [];
    const asked: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    const address = pathToFileURL(join(pictures, `${vault}.html`)).href;
    page.on("request", (request) => {
      if (request.url() !== address) asked.push(request.url());
    });
    await page.emulateMedia({ media, colorScheme });
    await page.goto(address);
    await see({ page, said, asked });
  } finally {
    await context.close();
  }
}

for (const vault of vaults.keys()) {
  for (const how of looks) {
    test(`${vault}, ${how.name}: no request, no error, nothing too wide, and no violation that axe finds`, async () => {
      await look(vault, how, async ({ page, said, asked }) => {
        await page.screenshot({ path: join(pictures, `${vault}-${how.name}.png`), fullPage: true });
        if (how.media === "print") {
          await page.pdf({ path: join(pictures, `${vault}.pdf`), preferCSSPageSize: true, printBackground: true });
        }
        assert.equal(await page.evaluate("document.documentElement.scrollWidth - innerWidth <= 0"), true);
        await page.evaluate(axe.source);
        const found = (await page.evaluate("axe.run(document, { preload: false })")) as axe.AxeResults; // what axe gives
        const violations = found.violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`,
        );
        assert.deepEqual(violations, []);
        assert.ok(found.passes.length > 10, "axe looked");
        assert.deepEqual(said, []);
        assert.deepEqual(asked, []);
      });
    });
  }
}

/** Labels of one picture that lie on one another, or are cut off, by more than a line's leading. */
const COLLISIONS = `[...document.querySelectorAll("figure svg[role=img]")].filter((svg) => svg.getClientRects().length > 0).flatMap((svg) => {
  const around = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
  const slack = 3;
  const cut = texts.filter(({ box }) => box.left < around.left - slack || box.right > around.right + slack || box.top < around.top - slack || box.bottom > around.bottom + slack);
  const pairs = texts.flatMap((a, index) => texts.slice(index + 1).filter((b) =>
    Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > slack &&
    Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > slack).map((b) => a.text + " on " + b.text));
  return [...cut.map(({ text }) => text + " is cut off"), ...pairs];
})`;

for (const vault of vaults.keys()) {
  for (const how of looks) {
    test(`${vault}, ${how.name}: no label of a chart lies on another or is cut off`, async () => {
      await look(vault, how, async ({ page }) => {
        const pictured = await page.evaluate('document.querySelectorAll("figure svg[role=img] text").length > 10');
        assert.equal(pictured, vault !== "none");
        assert.deepEqual(await page.evaluate(COLLISIONS), []);
      });
    });
  }
}
