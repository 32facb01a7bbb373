/** Every configuration in docs/recipes.md is one that the programs read. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { readMoverConfig } from "../../mover/config.ts";
import { hostPolicy } from "../../shared/policies.ts";
import { readUploaderConfig } from "../../uploader/config.ts";
import { DROP_ZONE, startWorld } from "../support/world.ts";
import { readRecipes, recipe } from "./recipes.ts";

test("each block of sets, and of hosts, is read by the program that it is for", async () => {
  await using world = await startWorld();
  let read = 0;
  for (const { section, language, text } of readRecipes()) {
    if (language !== "yaml") continue;
    const [key = "", ...others] = Object.keys(parse(text) as object); // a block is a map
    assert.deepEqual(others, [], section);
    const file = join(world.dir, "recipe.yaml");
    if (key === "sets") {
      await writeFile(file, `${await readFile(world.uploaderConfig("web1"), "utf8")}\n${text}`);
      await readUploaderConfig(file);
    } else if (key === "hosts") {
      await writeFile(file, (await readFile(world.moverConfig, "utf8")).replace(/^hosts:\n[\s\S]*/m, text));
      await readMoverConfig(file);
    } else {
      assert.equal(key, "sinks", `${section}: whose configuration is ${key}?`); // Vector's
      continue;
    }
    read += 1;
  }
  assert.ok(read >= 11);
});

test("the key of a program that can't ask for create-only has a host's rights to create, and no more", () => {
  const policy = JSON.parse(recipe("Programs that put objects themselves", "json", "Create")) as {
    Statement: object[];
  }; // a policy
  const host = hostPolicy({ bucket: DROP_ZONE, host: "shipper1", secureTransport: true });
  const wanted = host.Statement.filter(({ Sid }) => Sid !== "CreateOnly" && Sid !== "NothingElse");
  const normal = (statements: readonly object[]): unknown =>
    JSON.parse(JSON.stringify(statements).replaceAll(/\["([^",]*)"\]/g, '"$1"'));
  assert.deepEqual(normal(policy.Statement), normal(wanted));
});
