/** The packages in a clean Debian with its own systemd: installed, put to work, upgraded, removed, purged. */
import assert from "node:assert/strict";
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startS3Server, type Account } from "../s3-server/server.ts";
import { exists, installDebianPackages } from "../servers/install-programs.ts";
import { until } from "../servers/processes.ts";
import { runProgram } from "../servers/run-program.ts";
import { Missing, type PolicyDocument, type PolicyStatement } from "../servers/server.ts";
import { root } from "../support/world.ts";
import { buildAll } from "./built.ts";
import type { Claim, Part } from "./claim.ts";
import { bootMachine, installDebianRoot, type Machine } from "./debian-root.ts";
import { shellBlocks } from "./shell-blocks.ts";

/** As the programs print it. */
const policySchema = z.object({ Version: z.literal("2012-10-17"), Statement: z.array(z.custom<PolicyStatement>()) });
const policiesSchema = z.object({ dropZone: policySchema, vault: policySchema });

export const debian: Part = {
  name: "debian",
  async install() {
    await installDebianPackages(["dpkg", "lintian", "man-db", "groff-base", "zsh"]);
    await installDebianRoot();
  },
  async open(stack): Promise<readonly Claim[]> {
    const { packages, executables } = await buildAll();
    const scratch = await mkdtemp(join(tmpdir(), "airlock-debian-"));
    stack.defer(() => rm(scratch, { recursive: true, force: true }));
    const machine = stack.use(await bootMachine());
    await cp(packages, join(machine.folder, "opt/deb"), { recursive: true });
    const debs = (await readdir(packages)).map((name) => `/opt/deb/${name}`);
    return [
      {
        claim: "the packages are as Debian has them",
        provedBy: "lintian",
        async prove() {
          // it takes a minute for each executable: the third package has no script and no unit
          const files = debs.filter((path) => /mover|uploader/.test(path)).map((path) => join(machine.folder, path));
          await Promise.all(
            files.map(async (file) => {
              const said = await runProgram("lintian", ["--allow-root", file], { timeoutMs: 220_000 });
              assert.equal(said, "");
            }),
          );
          return "nothing to say about airlock-mover and airlock-uploader";
        },
      },
      {
        claim: "the same executables give the same packages, byte for byte",
        provedBy: "dpkg-deb, cmp",
        async prove() {
          const again = join(scratch, "again", "deb");
          const script = join(import.meta.dirname, "../../scripts/deb.ts");
          await runProgram(process.execPath, [script, again, "--from", executables, "--only", "airlock-mover"], {
            timeoutMs: 200_000,
          });
          const [name = "", ...others] = await readdir(again);
          assert.deepEqual(others, []);
          await runProgram("cmp", [join(packages, name), join(again, name)]);
          return name;
        },
      },
      {
        claim: "install.md's commands as they stand there: from packages to a scheduled backup in the vault",
        provedBy: "apt-get, systemd",
        prove: () => followInstallPage(machine, stack, scratch),
      },
      {
        claim: "users, manual pages and completions are there; the mover's sandbox is in force",
        provedBy: "dpkg, man(7), bash, /proc",
        prove: () => lookAround(machine, debs),
      },
      {
        claim: "what a unit starts can't listen: SocketBindDeny= is enforced",
        provedBy: "systemd-run, bind(2)",
        prove: () => bindNothing(machine),
      },
      {
        claim:
          "an upgrade restarts what runs and keeps configuration, key and spool; so does a removal; a purge does not",
        provedBy: "dpkg",
        prove: () => upgradeAndRemove(machine, debs),
      },
    ];
  },
};

/** Of the page's commands only what a reader replaces is replaced, and the loopback store's address is added. */
async function followInstallPage(machine: Machine, stack: AsyncDisposableStack, scratch: string): Promise<string> {
  const server = await startS3Server({ dir: scratch });
  stack.defer(() => server.close());
  const [dropZone, vault] = [server.createAccount("drop-zone"), server.createAccount("vault")];
  dropZone.createBucket("acme-dropzone", { versioning: true });
  vault.createBucket("acme-vault", { objectLock: { mode: "COMPLIANCE", days: 1 } });
  const [, recipient = ""] =
    /(age1\w+)/.exec(await machine.run("sh", "-c", "dpkg -i /opt/deb/airlock_*.deb >&2; airlock keygen")) ?? [];
  const follow = async (commands: string): Promise<string> => {
    const text = commands
      .replaceAll("age1…", recipient)
      .replaceAll(/--(vault-)?region [a-z0-9-]+/g, `--$1region ${server.region} --$1endpoint ${server.endpoint}`);
    await machine.run("sh", "-ec", `cd /opt/deb; exec 2>said; ${text}`).catch(async (cause: unknown) => {
      const said = await readFile(join(machine.folder, "opt/deb/said"), "utf8");
      const journal = await machine.run("journalctl", "--no-pager", "-n", "40", "-u", "airlock*");
      throw new Error(`${text}: ${said}\n${journal}`, { cause });
    });
    return readFile(join(machine.folder, "opt/deb/said"), "utf8");
  };
  const page = await readFile(join(root, "docs/install.md"), "utf8");
  const section = page.slice(page.indexOf("## Debian"), page.indexOf("## Any Linux"));
  const [, host = "", hostStart = "", box = "", boxStart = "", ...others] = shellBlocks(section);
  assert.deepEqual(others, []);

  const publicKey = /ed25519:[\w+/=]+/.exec(await follow(host))?.[0] ?? "";
  await follow(box);
  for (const name of ["airlock-mover", "airlock-uploader"]) {
    const state = await machine.run("systemctl", "show", "--value", "-p", "ActiveState,UnitFileState", name);
    assert.deepEqual(state.trim().split("\n").filter(Boolean).toSorted(), ["disabled", "inactive"]);
  }
  const printed = async (name: string): Promise<string> => readFile(join(machine.folder, "opt/deb", name), "utf8");
  const policies = policiesSchema.parse(JSON.parse(await printed("policies.json")));
  const profile = (name: string, account: Account, policy: PolicyDocument): string => {
    const { accessKeyId, secretAccessKey } = account.createUser(name, policy);
    return `[${name}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  };
  const credentials = [
    profile("airlock-web1", dropZone, policySchema.parse(JSON.parse(await printed("policy.json")))),
    profile("dropzone-mover", dropZone, policies.dropZone),
    profile("vault-mover", vault, policies.vault),
  ];
  await mkdir(join(machine.folder, "root/.aws"), { mode: 0o700 });
  await writeFile(join(machine.folder, "root/.aws/credentials"), credentials.join(""), { mode: 0o600 });
  const etc = join(machine.folder, "etc/airlock");
  await appendFile(join(etc, "mover.yaml"), `  web1: { publicKeys: ["${publicKey}"] }\n`);
  await appendFile(join(etc, "uploader.yaml"), "\nsets:\n  etc: { paths: [/etc] }\n");
  // what the unit's user can read only with its one capability
  await writeFile(join(machine.folder, "etc/only-for-root"), "secret\n", { mode: 0o600 });
  // the night comes at once
  const dropIn = join(machine.folder, "etc/systemd/system/airlock-set@etc.timer.d");
  await mkdir(dropIn, { recursive: true });
  await writeFile(join(dropIn, "soon.conf"), "[Timer]\nOnActiveSec=1s\nRandomizedDelaySec=0\n");

  await follow(hostStart);
  await follow(boxStart);
  const journalOf = (unit: string): Promise<string> => machine.run("journalctl", "--no-pager", "-n", "60", "-u", unit);
  const isArchived = await until(
    async () => /"event":"object-archived".*"set":"etc"/.test(await journalOf("airlock-mover")),
    60_000,
  );
  assert.ok(isArchived, `${await journalOf("airlock-set@etc")}\n${await journalOf("airlock-mover")}`);
  const timer = await machine.run("systemctl", "show", "--value", "-p", "Result,ActiveState", "airlock-set@etc.timer");
  assert.match(timer, /active/);
  return "4 blocks of commands, of which the timer's set is archived";
}

async function lookAround(machine: Machine, debs: readonly string[]): Promise<string> {
  assert.equal(debs.length, 3);
  assert.equal(await machine.run("stat", "-c", "%a %U %G", "/etc/airlock"), "2750 root airlock\n");
  for (const name of ["airlock-mover", "airlock-uploader"]) {
    assert.match(await machine.run("id", name), new RegExp(`uid=\\d+\\(${name}\\)`));
  }
  for (const name of ["airlock", "airlock-mover", "airlock-uploader"]) {
    const complete = `source /usr/share/bash-completion/completions/${name}; COMP_WORDS=(${name} ''); COMP_CWORD=1; _${name.replaceAll("-", "_")}; echo \${COMPREPLY[@]}`;
    assert.match(await machine.run("bash", "-c", complete), name === "airlock" ? /restore/ : /status/);
    const page = join(machine.folder, "usr/share/man/man1", `${name}.1.gz`);
    assert.equal(await runProgram("sh", ["-c", 'man --warnings --local-file "$0" 2>&1 >/dev/null', page]), "");
    await runProgram("zsh", ["-n", join(machine.folder, "usr/share/zsh/vendor-completions", `_${name}`)]);
  }
  const pid = (await machine.run("systemctl", "show", "--value", "-p", "MainPID", "airlock-mover")).trim();
  const status = await machine.run("cat", `/proc/${pid}/status`);
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);
  assert.match(status, /^CapBnd:\s+0{16}$/m);
  const watched = await machine.run("systemctl", "show", "-p", "WatchdogUSec,ActiveState", "airlock-mover");
  assert.match(watched, /ActiveState=active/);
  return watched.trim().replaceAll("\n", ", ");
}

/** Tried with the unit's own line, and without it. */
async function bindNothing(machine: Machine): Promise<string> {
  const listen =
    'use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); print bind($s, sockaddr_in(0, INADDR_LOOPBACK)) ? "bound" : "refused"';
  const attempt = (...properties: string[]): Promise<string> =>
    machine.run("systemd-run", "--quiet", "--wait", "--pipe", ...properties, "perl", "-e", listen);
  assert.equal(await attempt(), "bound");
  const denied = await attempt("-p", "SocketBindDeny=any");
  if (denied === "bound") {
    throw new Missing(
      "this kernel has its control groups in the old hierarchy (v1), where systemd can't filter bind(2)",
    );
  }
  return denied;
}

async function upgradeAndRemove(machine: Machine, debs: readonly string[]): Promise<string> {
  const kept = ["etc/airlock/mover.yaml", "etc/airlock/mover.key", "etc/airlock/uploader.yaml", "etc/airlock/host.key"];
  const stays = async (): Promise<boolean[]> =>
    Promise.all([...kept, "var/lib/airlock-uploader"].map((path) => exists(join(machine.folder, path))));
  const pidOf = (): Promise<string> => machine.run("systemctl", "show", "--value", "-p", "MainPID", "airlock-mover");
  const before = await pidOf();
  assert.notEqual(before, "0\n");
  await machine.run("dpkg", "--install", ...debs);
  assert.notEqual(await pidOf(), before);
  assert.deepEqual(new Set(await stays()), new Set([true]));
  await machine.run("dpkg", "--remove", "airlock-mover", "airlock-uploader");
  assert.deepEqual(new Set(await stays()), new Set([true]));
  assert.equal(await machine.run("sh", "-c", "pidof airlock-mover || echo none"), "none\n");
  await machine.run("dpkg", "--purge", "airlock-mover", "airlock-uploader");
  assert.deepEqual(new Set(await stays()), new Set([false]));
  return "kept, kept, gone";
}
