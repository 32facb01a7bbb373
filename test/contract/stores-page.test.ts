import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { REAL_SERVERS } from "../servers/servers.ts";
import { AREAS, CHECKS } from "./checks.ts";
import { expectedAnswers, findStale, readKnown } from "./known.ts";
import { STORES_PAGE, meaningOf, renderStoresPage } from "./stores-page.ts";

test("docs/stores.md shows the recorded differences of each store, and nothing else", async () => {
  const columns = await Promise.all(
    REAL_SERVERS.map(async ({ name, title }) => ({ title, answers: expectedAnswers(CHECKS, await readKnown(name)) })),
  );
  assert.equal(await readFile(STORES_PAGE, "utf8"), renderStoresPage(AREAS, columns));
});

test("every recorded difference is one, and belongs to a question that is asked", async () => {
  for (const { name } of REAL_SERVERS) assert.deepEqual(findStale(CHECKS, await readKnown(name)), []);
});

test("each question has its own id, and says what another answer means for Airlock", () => {
  assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  for (const check of CHECKS) {
    const { dropZone, vault } = meaningOf(check, "anything else");
    assert.ok(dropZone !== null || vault !== null, check.id);
  }
});
