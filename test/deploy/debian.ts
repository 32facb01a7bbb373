/** The packages in a clean Debian with its own systemd: installed, put to work, upgraded, removed, purged. */
import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exists, installDebianPackages } from "../servers/install-programs.ts";
import { runProgram } from "../servers/run-program.ts";
import { Missing } from "../servers/server.ts";
import { buildAll } from "./built.ts";
import type { Claim, Part } from "./claim.ts";
import { bootMachine, installDebianRoot, type Machine } from "./debian-root.ts";
import { followReadme } from "./readme.ts";

export const debian: Part = {
  name: "debian",
  async install() {
    await installDebianPackages(["dpkg", "lintian", "man-db", "groff-base", "zsh", "jq"]);
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
        claim: "the README's commands as they stand there: from packages to a scheduled backup in the vault, and back",
        provedBy: "apt-get, systemd",
        prove: () => followReadme(machine, stack, scratch),
      },
      {
        claim: "root works beside the services, in their folders: an upload, a request to the mover",
        provedBy: "systemd, find(1)",
        prove: () => workBeside(machine),
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

/** What root does beside a service leaves nothing that the service can't read, and gets its answer. */
async function workBeside(machine: Machine): Promise<string> {
  await machine.run("airlock-uploader", "put", "/etc/apt", "--set", "apt");
  await machine.run("systemctl", "start", "airlock-set@etc");
  await machine.run("airlock-mover", "release", "web1/etc/none").catch((error: unknown) => {
    assert.match(String(error), /web1\/etc\/none/);
  });
  for (const name of ["airlock-mover", "airlock-uploader"]) {
    const foreign = await machine.run("find", `/var/lib/${name}`, "!", "-user", name);
    assert.equal(foreign, "");
  }
  return "";
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
