/** What goes wrong for people with the mover and the operator: one clear message, its remedy, its documented exit code. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PolicyDocument } from "../../s3-server/server.ts";
import { DROP_ZONE, root, startWorld, VAULT, type Ran, type World } from "../../support/world.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const PROGRAM = { mover: "airlock-mover", operator: "airlock" };
const NOTHING: PolicyDocument = { Version: "2012-10-17", Statement: [{ Effect: "Deny", Action: "*", Resource: "*" }] };

type Role = keyof typeof PROGRAM;

describe("when something is wrong", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  let files = 0;

  /** A copy of the role's configuration with something replaced in it, wherever it stands. */
  async function configWith(role: Role, from: RegExp, to: string): Promise<string> {
    const file = `changed-${++files}`;
    const given = await readFile(role === "mover" ? world.moverConfig : world.operatorConfig, "utf8");
    // so that movers which run at the same time do not meet
    const text = given.replace("id: mover-a", `id: ${file}`).replace(/state: .*/, `state: ${join(world.dir, file)}`);
    const changed = text.replaceAll(from, to);
    assert.notEqual(changed, text);
    const path = join(world.dir, `${file}.yaml`);
    await writeFile(path, changed);
    return path;
  }

  async function secretFile(content: string, mode = 0o600): Promise<string> {
    const path = join(world.dir, `secret-${++files}`);
    await writeFile(path, content, { mode: 0o600 });
    await chmod(path, mode);
    return path;
  }

  async function run(role: Role, config: string): Promise<Ran> {
    const command = role === "mover" ? ["run", "--once"] : ["verify"];
    return world.run(role, ["--config", config, "--log-level", "silent", ...command]);
  }

  /** One message: what happened, to what, and indented below it what to do. */
  function assertFails(role: Role, ran: Ran, exit: number, message: RegExp, remedy: RegExp): void {
    assert.equal(ran.exit, exit, ran.stderr);
    assert.equal(ran.stdout, "");
    const [first = "", ...rest] = ran.stderr.trimEnd().split("\n");
    assert.match(first, message);
    assert.ok(first.startsWith(`${PROGRAM[role]}: `), first);
    assert.ok(rest.length > 0 && rest.every((line) => line.startsWith("  ")), ran.stderr);
    assert.match(rest.join("\n"), remedy);
    assert.ok(!/^ +at /m.test(ran.stderr), "no stack trace");
  }

  const SECRET = /secretAccessKeyFile: [^ ]+/g;
  const ID = /accessKeyIdFile: [^,]+/g;
  const CREDENTIALS = /credentials: \{[^}]*\}/g;

  describe("it is said clearly", { concurrency: 2 }, () => {
    for (const role of ["mover", "operator"] as const) {
      describe(PROGRAM[role], () => {
        test("a configuration that is not there", async () => {
          const how = role === "mover" ? /make one with `init`, or name another/ : /write one \(deploy\/operator\.yaml/;
          assertFails(
            role,
            await run(role, join(world.dir, "nowhere.yaml")),
            2,
            /there is no configuration \(.*nowhere\.yaml\)/,
            how,
          );
        });

        test("a configuration that is no YAML, told with its line", async () => {
          const ran = await run(role, await configWith(role, /^hosts:$/gm, "hosts"));
          assertFails(role, ran, 2, /the configuration has 1 fault/, /\.yaml:\d+: not YAML/);
        });

        test("a typing error in a key, with what was meant", async () => {
          const ran = await run(role, await configWith(role, /^vault:/gm, "valut:"));
          assertFails(
            role,
            ran,
            2,
            /the configuration has 2 faults/,
            /\.yaml:\d+: valut: unknown key, did you mean vault\?/,
          );
        });

        test("a bucket that is not there", async () => {
          const ran = await run(role, await configWith(role, new RegExp(VAULT, "g"), "acme-vaults"));
          assertFails(
            role,
            ran,
            2,
            /there is no such bucket \(s3:\/\/acme-vaults/,
            /check `bucket`.*create the bucket/,
          );
        });

        test("a region that is another's", async () => {
          const ran = await run(role, await configWith(role, /region: [^,]+/g, "region: us-west-2"));
          assertFails(role, ran, 2, /the bucket is in eu-central-1, not in us-west-2/, /set `region: eu-central-1`/);
        });

        test("an endpoint where nobody answers", async () => {
          const ran = await run(role, await configWith(role, /endpoint: "[^"]+"/g, 'endpoint: "http://127.0.0.1:1"'));
          assertFails(role, ran, 3, /no connection to the store \(ECONNREFUSED\)/, /check `endpoint`/);
        });

        test("a wrong secret, and a key that nobody knows", async () => {
          const wrong = await run(
            role,
            await configWith(role, SECRET, `secretAccessKeyFile: ${await secretFile("wrong".repeat(8))}`),
          );
          assertFails(role, wrong, 4, /refuses the key \(SignatureDoesNotMatch\)/, /check the configured credentials/);
          const unknown = await run(
            role,
            await configWith(role, ID, `accessKeyIdFile: ${await secretFile("AKIAWRONGWRONGWRONGW")}`),
          );
          assertFails(role, unknown, 4, /refuses the key \(InvalidAccessKeyId\)/, /whether the key is still active/);
        });

        test("a profile that is not there", async () => {
          const ran = await run(role, await configWith(role, CREDENTIALS, "credentials: { profile: nobody }"));
          assertFails(role, ran, 4, /no usable credentials were found/, /set `credentials` to a profile that .* has/);
        });

        test("a secret key's file that is not there, that others can read, and that holds more than a key", async () => {
          const named = (path: string): Promise<string> => configWith(role, SECRET, `secretAccessKeyFile: ${path}`);
          assertFails(
            role,
            await run(role, await named("/nowhere/secret")),
            4,
            /no such file \(\/nowhere\/secret\)/,
            /readable by this program/,
          );
          const open = await secretFile("s".repeat(40), 0o644);
          assertFails(
            role,
            await run(role, await named(open)),
            2,
            /others than its owner have access to it \(mode 0644\)/,
            /chmod 600 /,
          );
          const more = await secretFile("[default]\nkey = secret-of-mine\n");
          const ran = await run(role, await named(more));
          assertFails(
            role,
            ran,
            4,
            /a credential file cannot be used: it does not hold one line/,
            /the key on one line/,
          );
          assert.ok(!ran.stderr.includes("secret-of-mine"));
        });

        test("a policy that allows nothing", async () => {
          await using denied = await startWorld();
          denied.dropZoneAccount.setUserPolicies("mover", NOTHING);
          denied.vaultAccount.setUserPolicies("operator", NOTHING);
          const ran = await denied.run(role, role === "mover" ? ["run", "--once"] : ["verify"]);
          assertFails(
            role,
            ran,
            4,
            /the store denies it \(403 AccessDenied\) \(s3:\/\/acme-/,
            /`init` prints .* deploy\/iam\/operator\.json/,
          );
        });

        test("a clock that is a day off", async () => {
          await using ahead = await startWorld({ clock: () => Date.now() + 86_400_000 });
          const ran = await ahead.run(role, role === "mover" ? ["run", "--once"] : ["verify"]);
          assertFails(
            role,
            ran,
            4,
            /the clocks differ by too much: here it is .*, at the store /,
            /set this machine's clock \(NTP\)/,
          );
        });

        test("a command and an option that do not exist, with what was meant", async () => {
          const [command, meant] = role === "mover" ? ["rnu", "run"] : ["verfiy", "verify"];
          assertFails(
            role,
            await world.run(role, [command]),
            2,
            /unknown command/,
            new RegExp(`Did you mean ${meant}\\?`),
          );
          assertFails(role, await world.run(role, [meant, "--no-such"]), 2, /unknown option '--no-such'/, /--help/);
        });
      });
    }

    test("the mover: a signing key that is not there, that others can read, or that is none", async () => {
      const named = async (path: string): Promise<Ran> =>
        run("mover", await configWith("mover", /signingKey: .*/g, `signingKey: ${path}`));
      assertFails(
        "mover",
        await named("/nowhere/mover.key"),
        2,
        /there is no such file \(\/nowhere\/mover\.key\)/,
        /make one with `init`/,
      );
      const open = await secretFile(await readFile(join(world.dir, "mover.key"), "utf8"), 0o640);
      assertFails("mover", await named(open), 2, /others than its owner have access to it \(mode 0640\)/, /chmod 600/);
      assertFails("mover", await named(await secretFile("junk")), 2, /holds no private key/, /make one with `init`/);
    });

    test("the mover: a key file and a state folder that its user may not use", async () => {
      const config = await configForNobody();
      const unreadable = await secretFile("x");
      const locked = config.replace("mover.yaml", "locked.yaml");
      await writeFile(locked, (await readFile(config, "utf8")).replace(/signingKey: .*/, `signingKey: ${unreadable}`), {
        mode: 0o644,
      });
      if (!isRoot) await chmod(unreadable, 0o000);
      assertFails(
        "mover",
        await runAsNobody(locked),
        2,
        /the key file cannot be used: it cannot be read: EACCES/,
        /let the user that this runs as read it/,
      );

      const state = join(world.dir, "for-nobody", "read-only");
      await mkdir(state, { mode: 0o555 });
      await writeFile(locked, (await readFile(config, "utf8")).replace(/state: .*/, `state: ${state}`));
      assertFails(
        "mover",
        await runAsNobody(locked),
        2,
        /the folder cannot be used: .*read-only\)$/,
        /name a folder on a local disk that the user that this runs as may write to/,
      );
    });

    /** A configuration whose files belong to whoever {@link runAsNobody} is: root may use everything. */
    async function configForNobody(): Promise<string> {
      const folder = join(world.dir, "for-nobody");
      await mkdir(folder);
      let text = await readFile(world.moverConfig, "utf8");
      for (const name of [
        "mover.key",
        "dropzone-mover.id",
        "dropzone-mover.secret",
        "vault-mover.id",
        "vault-mover.secret",
      ]) {
        await copyFile(join(world.dir, name), join(folder, name));
        if (isRoot) await chown(join(folder, name), NOBODY, NOBODY);
        text = text.replace(join(world.dir, name), join(folder, name));
      }
      const config = join(folder, "mover.yaml");
      await writeFile(config, text);
      for (const path of [world.dir, folder, config]) await chmod(path, 0o755);
      return config;
    }

    async function runAsNobody(config: string): Promise<Ran> {
      const child = spawn(
        process.execPath,
        [join(root, "mover/main.ts"), "--config", config, "--log-level", "silent", "run", "--once"],
        {
          stdio: ["ignore", "ignore", "pipe"],
          env: { PATH: process.env.PATH },
          ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
        },
      );
      let stderr = "";
      child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      const [exit] = (await once(child, "close")) as [number | null]; // what "close" gives
      return { exit, signal: null, stdout: "", stderr };
    }

    test("the mover: a state folder that is a file", async () => {
      const ran = await run("mover", await configWith("mover", /state: .*/g, `state: ${world.moverConfig}/state`));
      assertFails(
        "mover",
        ran,
        2,
        /the folder cannot be used: not a directory \(ENOTDIR\)/,
        /name a folder on a local disk/,
      );
    });

    test("the mover: a state folder on a full disk", async (context) => {
      const state = join(world.dir, "full");
      await mkdir(state);
      // a tmpfs where root may mount one, else a limit on how large any file may grow
      const isMounted = isRoot && spawnSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", state]).status === 0;
      context.diagnostic(isMounted ? "a tmpfs of 16 KiB" : "RLIMIT_FSIZE of 0");
      try {
        if (isMounted)
          await assert.rejects(writeFile(join(state, "filler"), Buffer.alloc(128 * 1024)), { code: "ENOSPC" });
        const config = await configWith("mover", /state: .*/g, `state: ${state}`);
        const ran = isMounted ? await run("mover", config) : await runLimited(config);
        assertFails("mover", ran, 3, /no space left in the folder/, /free some space/);
      } finally {
        if (isMounted) spawnSync("umount", [state]);
      }
      assert.deepEqual(await world.listDropZone(), []);
    });

    async function runLimited(config: string): Promise<Ran> {
      // a shell that ignores SIGXFSZ hands that on, and writes fail instead
      const script = `trap '' XFSZ; ulimit -f 0; exec "$@" 2>&1 | cat`;
      const args = [
        "-c",
        script,
        "bash",
        process.execPath,
        join(root, "mover/main.ts"),
        "--config",
        config,
        "--log-level",
        "silent",
        "run",
        "--once",
      ];
      const child = spawn("bash", ["-o", "pipefail", ...args], { stdio: ["ignore", "pipe", "ignore"] });
      let stderr = "";
      child.stdout.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
      const [exit] = (await once(child, "close")) as [number | null]; // what "close" gives
      return { exit, signal: null, stdout: "", stderr };
    }

    test("the mover: both doors into one bucket, and a host without a key", async () => {
      const same = await run("mover", await configWith("mover", new RegExp(VAULT, "g"), DROP_ZONE));
      assertFails(
        "mover",
        same,
        2,
        /the configuration has 1 fault/,
        /vault\.bucket: found "acme-dropzone", expected another bucket/,
      );
      const keyless = await run("mover", await configWith("mover", /publicKeys: \["[^"]*"\]/g, "publicKeys: []"));
      assertFails("mover", keyless, 2, /the configuration has 1 fault/, /hosts\.web1\.publicKeys: .*signatures: none/);
    });

    test("under --json the error is one value on standard output, and nothing else is said", async () => {
      const ran = await world.run("mover", ["--json", "--log-level", "silent", "--config", "/nowhere.yaml", "check"]);
      assert.equal(ran.exit, 2);
      assert.equal(ran.stderr, "");
      const { error } = JSON.parse(ran.stdout) as { error: Record<string, unknown> };
      assert.deepEqual(Object.keys(error), ["code", "message", "subject", "remedy"]);
      assert.deepEqual([error.code, error.subject], ["config-invalid", "/nowhere.yaml"]);
    });
  });

  test("nothing of all this was written anywhere but below the mover's own probe", async () => {
    const names = (await world.listVault("")).map(({ key }) => key);
    assert.ok(
      names.every((name) => name.startsWith("_airlock/probe/")),
      names.join(" "),
    );
    assert.ok((await stat(world.moverConfig)).isFile());
  });
});
