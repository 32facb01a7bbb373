import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseSigningKey } from "../../../shared/keys.ts";
import type { Policy } from "../../../shared/policies.ts";
import { DROP_ZONE, startWorld, VAULT } from "../../support/world.ts";

describe("airlock-mover init", { concurrency: 2 }, () => {
  for (const versioned of [true, false]) {
    test(`init, ${versioned ? "with" : "without"} versions: its two policies and its configuration are all that the mover needs`, async () => {
      await using world = await startWorld({ versioned });
      const config = join(world.dir, "etc", "mover.yaml");
      const { endpoint, region } = world.server;
      const stores = ["--endpoint", endpoint, "--vault-endpoint", endpoint, "--region", region];
      const options = [
        "--id",
        "mover-b",
        "--drop-zone",
        DROP_ZONE,
        "--vault",
        VAULT,
        ...stores,
        ...(versioned ? [] : ["--unversioned"]),
      ];
      const made = await world.run("mover", ["--config", config, "init", ...options]);
      assert.equal(made.exit, 0, made.stderr);
      const policies = JSON.parse(made.stdout) as { dropZone: Policy; vault: Policy };
      assert.deepEqual(Object.keys(policies), ["dropZone", "vault"]);
      assert.equal((await stat(join(world.dir, "etc", "mover.key"))).mode & 0o777, 0o600);
      const { text } = parseSigningKey(await readFile(join(world.dir, "etc", "mover.key"), "utf8"), "mover.key").public;
      assert.ok(made.stderr.includes(`movers: { mover-b: ["${text}"] }`), made.stderr);

      // what `init` says is to be done next, as it says it
      world.dropZoneAccount.setUserPolicies("mover-b", policies.dropZone);
      world.vaultAccount.setUserPolicies("mover-b", policies.vault);
      const [dropZoneKey, vaultKey] = [
        world.dropZoneAccount.createUser("mover-b"),
        world.vaultAccount.createUser("mover-b"),
      ];
      await mkdir(join(world.dir, ".aws"));
      const profiles = [
        ["dropzone-mover", dropZoneKey],
        ["vault-mover", vaultKey],
      ] as const;
      const sections = profiles.map(
        ([name, key]) =>
          `[${name}]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`,
      );
      await writeFile(join(world.dir, ".aws", "credentials"), sections.join("\n"), { mode: 0o600 });
      const sample = await readFile(config, "utf8");
      const host = `  web1: { publicKeys: ["${world.hostKeys.get("web1")?.public.text}"] }\n`;
      await writeFile(
        config,
        sample.replace(/^ +#web1:.*\n/m, host).replace(/^state: .*$/m, `state: ${join(world.dir, "state-b")}`),
      );

      const { key } = await world.putSigned("web1", randomBytes(100));
      const ran = await world.run("mover", ["--config", config, "run", "--once"]);
      assert.equal(ran.exit, 0, ran.stderr);
      assert.deepEqual(await world.listDropZone(), []);
      assert.equal((await world.listVault()).length, 1, key);
      const checked = await world.run("mover", ["--config", config, "check"]);
      assert.equal(checked.exit, 0, checked.stdout + checked.stderr);
      assert.doesNotMatch(checked.stdout, /^(EXCESS|LACKS|\?) /m);

      const again = await world.run("mover", ["--config", config, "init", ...options]);
      assert.equal(again.exit, 2);
      assert.match(again.stderr, /^airlock-mover: the file is there already \(.*mover\.key\)\n {2}move it away first/);
    });
  }

  test("init: a mistake in its options is told before anything is written", async () => {
    await using world = await startWorld();
    const config = join(world.dir, "etc", "mover.yaml");
    const options = ["--id", "Mover B", "--drop-zone", "x", "--vault", "x", "--region", "eu-central-1"];
    const refused = await world.run("mover", ["--config", config, "init", ...options]);
    assert.equal(refused.exit, 2);
    for (const fault of ["id: found", "dropZone.bucket: found", "vault.bucket: found"])
      assert.ok(refused.stderr.includes(fault), refused.stderr);
    await assert.rejects(stat(join(world.dir, "etc")), { code: "ENOENT" });
  });

  test("init: where the configuration is there already, no key is made that belongs to none", async () => {
    await using world = await startWorld();
    await mkdir(join(world.dir, "etc"));
    const config = join(world.dir, "etc", "mover.yaml");
    await writeFile(config, "id: mover-b\n");
    const options = ["--id", "mover-b", "--drop-zone", DROP_ZONE, "--vault", VAULT, "--region", "eu-central-1"];
    const refused = await world.run("mover", ["--config", config, "init", ...options]);
    assert.equal(refused.exit, 2);
    assert.match(refused.stderr, /the file is there already \(.*mover\.yaml\)/);
    await assert.rejects(stat(join(world.dir, "etc", "mover.key")), { code: "ENOENT" });
  });

  test("init --json: one value, with the public key and where things are", async () => {
    await using world = await startWorld();
    const config = join(world.dir, "etc", "mover.yaml");
    const options = ["--id", "mover-b", "--drop-zone", DROP_ZONE, "--vault", VAULT, "--region", "eu-central-1"];
    const { exit, stdout, stderr } = await world.run("mover", ["--config", config, "--json", "init", ...options]);
    assert.deepEqual([exit, stderr], [0, ""]);
    const value = JSON.parse(stdout) as { publicKey: string; keyFile: string; configFile: string; policies: object };
    assert.match(value.publicKey, /^ed25519:/);
    assert.deepEqual([value.keyFile, value.configFile], [join(world.dir, "etc", "mover.key"), config]);
    const tls = JSON.stringify(value.policies).match(/"aws:SecureTransport":"false"/g);
    assert.equal(tls?.length, 2, "AWS's own endpoints are to be used over TLS only");
  });
});
