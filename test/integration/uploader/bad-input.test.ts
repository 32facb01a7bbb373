/** What goes wrong for people: each with one clear message, its remedy and its documented exit code. */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { DROP_ZONE, root, startWorld, type Ran, type World } from "../../support/world.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

describe("airlock-uploader put, when something is wrong", () => {
  let world: World;
  let file: string;
  before(async () => {
    world = await startWorld();
    file = join(world.dir, "file");
    await writeFile(file, "content");
  });
  after(() => world[Symbol.asyncDispose]());

  /** A copy of the configuration with something replaced in it. */
  async function configWith(from: string | RegExp, to: string): Promise<string> {
    const text = await readFile(world.uploaderConfig("web1"), "utf8");
    const changed = text.replace(from, to);
    assert.notEqual(changed, text);
    const path = join(world.dir, `changed-${Math.random()}.yaml`);
    await writeFile(path, changed);
    return path;
  }

  async function putWith(config: string): Promise<Ran> {
    return world.run("uploader", ["--config", config, "--log-level", "silent", "put", "--set", "x", file]);
  }

  /** One message: what happened, and indented below it what to do. */
  function assertFails(ran: Ran, exit: number, message: RegExp, remedy: RegExp): void {
    assert.equal(ran.exit, exit, ran.stderr);
    assert.equal(ran.stdout, "");
    const [first = "", ...rest] = ran.stderr.trimEnd().split("\n");
    assert.match(first, message);
    assert.match(first, /^airlock-uploader: /);
    assert.ok(rest.length > 0 && rest.every((line) => line.startsWith("  ")), ran.stderr);
    assert.match(rest.join("\n"), remedy);
    assert.ok(!ran.stderr.includes("    at "), "no stack trace");
  }

  it("a file that is not there", async () => {
    const ran = await world.run("uploader", ["put", "--set", "x", join(world.dir, "nothing")]);
    assertFails(ran, 2, /no such file.*nothing/, /check the path/);
  });

  it("a program that is not there", async () => {
    const ran = await world.run("uploader", ["put", "--set", "x", "--", "no-such-program"]);
    assertFails(ran, 1, /can't be started.*no-such-program/, /installed/);
  });

  it("a bucket that is not there", async () => {
    assertFails(
      await putWith(await configWith(DROP_ZONE, "acme-dropzones")),
      2,
      /no such bucket.*acme-dropzones/,
      /check `bucket`/,
    );
  });

  it("a secret key that is wrong", async () => {
    const secret = join(world.dir, "wrong.secret");
    await writeFile(secret, "wrong".repeat(8), { mode: 0o600 });
    const config = await configWith(/secretAccessKeyFile: [^ ]+/, `secretAccessKeyFile: ${secret}`);
    assertFails(await putWith(config), 4, /refuses the key.*SignatureDoesNotMatch/, /credentials/);
  });

  it("an access key that nobody knows", async () => {
    const id = join(world.dir, "wrong.id");
    await writeFile(id, "AKIAWRONGWRONGWRONGW", { mode: 0o600 });
    assertFails(
      await putWith(await configWith(/accessKeyIdFile: [^,]+/, `accessKeyIdFile: ${id}`)),
      4,
      /refuses the key.*InvalidAccessKeyId/,
      /active/,
    );
  });

  it("a region that is another's", async () => {
    assertFails(
      await putWith(await configWith(/region: [^,]+/, "region: us-west-2")),
      2,
      /eu-central-1, not in us-west-2/,
      /set `region: eu-central-1`/,
    );
  });

  it("a typing error in the configuration", async () => {
    const ran = await putWith(await configWith("spool:", "spol:"));
    assertFails(ran, 2, /configuration has/, /:\d+: .*spol/);
  });

  it("a configuration that is not there", async () => {
    assertFails(await putWith(join(world.dir, "nowhere.yaml")), 2, /no configuration.*nowhere/, /`init`/);
  });

  it("a signing key that others can read", async () => {
    const key = join(world.dir, "open.key");
    await writeFile(key, await readFile(join(world.dir, "web1.key")));
    await chmod(key, 0o644);
    assertFails(
      await putWith(await configWith(/signingKey: .*/, `signingKey: ${key}`)),
      2,
      /others than its owner/,
      /chmod 600/,
    );
  });

  it("a policy that does not let it create", async () => {
    await using denied = await startWorld();
    denied.dropZoneAccount.setUserPolicies("web1", {
      Version: "2012-10-17",
      Statement: { Effect: "Deny", Action: "*", Resource: "*" },
    });
    const ran = await denied.run("uploader", ["put", "--set", "x", file]);
    assertFails(ran, 4, /denies it/, /policy/);
  });

  it("a clock that is a day off", async () => {
    await using ahead = await startWorld({ clock: () => Date.now() + 86_400_000 });
    const ran = await ahead.run("uploader", ["put", "--set", "x", file]);
    assertFails(ran, 4, /clocks differ/, /clock \(NTP\)/);
  });

  it("a file that it may not read, alone or within a folder", async () => {
    const folder = await mkdtemp(join(tmpdir(), "airlock-unreadable-"));
    try {
      const secret = join(folder, "tree", "secret");
      await mkdir(join(folder, "tree"));
      await writeFile(secret, "secret");
      await chmod(secret, 0o000);
      await chmod(folder, 0o755);
      await chmod(join(folder, "tree"), 0o755);
      const config = await configForAnyone(folder);
      for (const path of [secret, join(folder, "tree")]) {
        const ran = await runUnprivileged(["--config", config, "--log-level", "silent", "put", "--set", "x", path]);
        assertFails(ran, 2, /can't be read|nothing was stored/, /let the user/);
      }
      assert.deepEqual(await world.listDropZone(), []);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  /** A configuration whose files belong to whoever {@link runUnprivileged} is. */
  async function configForAnyone(folder: string): Promise<string> {
    let text = await readFile(world.uploaderConfig("web1"), "utf8");
    for (const name of ["web1.key", "web1.id", "web1.secret"]) {
      const copy = join(folder, name);
      await writeFile(copy, await readFile(join(world.dir, name)), { mode: 0o600 });
      text = text.replace(join(world.dir, name), copy);
      if (isRoot) await chown(copy, NOBODY, NOBODY);
    }
    const spool = join(folder, "spool");
    await mkdir(spool);
    if (isRoot) await chown(spool, NOBODY, NOBODY);
    const config = join(folder, "uploader.yaml");
    await writeFile(config, text.replace(/spool: .*/, `spool: ${spool}`), { mode: 0o644 });
    await chmod(config, 0o644);
    return config;
  }

  /** Root reads everything, so what must not be readable is read as somebody else. */
  async function runUnprivileged(args: readonly string[]): Promise<Ran> {
    const child = spawn(process.execPath, [join(root, "uploader/main.ts"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH },
      ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    return collect(child);
  }

  it("a spool that has no room for the state", async (context) => {
    const spool = join(world.dir, "full");
    await using disk = await smallDisk(spool, 16);
    context.diagnostic(disk.how);
    await disk.fill();
    const config = await configWith(/spool: .*/, `spool: ${spool}`);
    const ran = await disk.run(["--config", config, "--log-level", "silent", "put", "--set", "x", file]);
    assertFails(ran, 3, /no space left/, /free some space/);
    assert.deepEqual(await world.listDropZone(), []);
  });

  it("a spool that has no room for a large part", async (context) => {
    const spool = join(world.dir, "small");
    await using disk = await smallDisk(spool, 4096);
    context.diagnostic(disk.how);
    const config = await configWith(/spool: .*/, `spool: ${spool}\ncompress: none`);
    // so large that its parts wait in the spool
    const huge = join(world.dir, "huge");
    await writeFile(huge, "");
    await truncate(huge, 300e9);
    const ran = await disk.run(["--config", config, "--log-level", "silent", "put", "--set", "x", huge]);
    assertFails(ran, 3, /no room for a part/, /free some space/);
    assert.deepEqual(await world.listDropZone(), []);
  });

  interface SmallDisk extends AsyncDisposable {
    readonly how: string;
    fill(): Promise<void>;
    run(args: readonly string[]): Promise<Ran>;
  }

  /** A tmpfs where root may mount one, else a limit on how large any file may grow. */
  async function smallDisk(folder: string, sizeKib: number): Promise<SmallDisk> {
    await mkdir(folder);
    const mounted =
      isRoot && spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKib}k`, "tmpfs", folder]).status === 0;
    return {
      how: mounted ? `a tmpfs of ${sizeKib} KiB` : `RLIMIT_FSIZE of ${sizeKib} KiB`,
      fill: async () => {
        if (!mounted) return;
        await assert.rejects(writeFile(join(folder, "filler"), Buffer.alloc((sizeKib + 64) * 1024)), {
          code: "ENOSPC",
        });
      },
      run: (args) => (mounted ? world.run("uploader", args) : runLimited(args, sizeKib)),
      async [Symbol.asyncDispose]() {
        if (mounted) spawnSync("umount", [folder]);
      },
    };
  }

  async function runLimited(args: readonly string[], sizeKib: number): Promise<Ran> {
    // bash's unit is 1 KiB; a shell that ignores SIGXFSZ hands that on, and writes fail instead
    const script = `trap '' XFSZ; ulimit -f ${sizeKib}; exec "$@"`;
    return collect(
      spawn("bash", ["-c", script, "bash", process.execPath, join(root, "uploader/main.ts"), ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
  }

  async function collect(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ran> {
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [exit] = (await once(child, "close")) as [number | null];
    return { exit, signal: null, stdout, stderr };
  }
});
