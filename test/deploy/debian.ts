/** The packages in a clean Debian with its own systemd: installed, put to work, upgraded, removed, purged. */
import assert from "node:assert/strict";
import { appendFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startS3Server, type Account } from "../s3-server/server.ts";
import { exists, installDebianPackages } from "../servers/install-programs.ts";
import { until } from "../servers/processes.ts";
import { runProgram } from "../servers/run-program.ts";
import { Missing } from "../servers/server.ts";
import { buildAll } from "./built.ts";
import type { Claim, Part } from "./claim.ts";
import { bootMachine, installDebianRoot, type Machine } from "./debian-root.ts";

const policySchema = z.record(z.string(), z.unknown());
const uploaderSchema = z.object({ publicKey: z.string(), policy: policySchema });
const moverSchema = z.object({
  publicKey: z.string(),
  policies: z.object({ dropZone: policySchema, vault: policySchema }),
});

export const debian: Part = {
  name: "debian",
  async install() {
    await installDebianPackages(["dpkg-dev", "lintian"]);
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
        claim: "they install in a clean Debian, with users, manual pages and completions, and start nothing",
        provedBy: "dpkg, systemd",
        prove: () => install(machine, debs),
      },
      {
        claim: "a set under its unit is backed up, with what only root may read, and the mover's unit archives it",
        provedBy: "systemd",
        prove: () => work(machine, stack, scratch),
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

async function install(machine: Machine, debs: readonly string[]): Promise<string> {
  await machine.run("dpkg", "--install", ...debs);
  for (const name of ["airlock-mover", "airlock-uploader"]) {
    assert.match(await machine.run("id", name), new RegExp(`uid=\\d+\\(${name}\\)`));
    const state = await machine.run("systemctl", "show", "--value", "-p", "ActiveState,UnitFileState", name);
    assert.deepEqual(state.trim().split("\n").filter(Boolean).toSorted(), ["disabled", "inactive"]);
    assert.equal(await machine.run("stat", "-c", "%a %U %G", "/etc/airlock"), "2750 root airlock\n");
  }
  for (const name of ["airlock", "airlock-mover", "airlock-uploader"]) {
    assert.match(await machine.run(name, "--version"), /^\d+\.\d+\.\d+\n$/);
    const completion = `source /usr/share/bash-completion/completions/${name}; COMP_WORDS=(${name} ''); COMP_CWORD=1; _${name.replaceAll("-", "_")}; echo \${COMPREPLY[@]}`;
    assert.match(await machine.run("bash", "-c", completion), name === "airlock" ? /restore/ : /status/);
    const page = join(machine.folder, `usr/share/man/man1/${name}.1.gz`);
    if (await exists(page)) assert.match(await runProgram("zcat", [page]), /^\.TH AIRLOCK/);
  }
  return "3 packages";
}

async function work(machine: Machine, stack: AsyncDisposableStack, scratch: string): Promise<string> {
  const server = await startS3Server({ dir: scratch });
  stack.defer(() => server.close());
  const [dropZone, vault] = [server.createAccount("drop-zone"), server.createAccount("vault")];
  dropZone.createBucket("acme-dropzone", { versioning: true });
  vault.createBucket("acme-vault", { objectLock: { mode: "COMPLIANCE", days: 1 } });
  const region = server.region;

  const host = ["init", "--json", "--host", "web1", "--bucket", "acme-dropzone", "--region", region];
  const uploader = uploaderSchema.parse(
    JSON.parse(
      await machine.run(
        "airlock-uploader",
        ...host,
        "--endpoint",
        server.endpoint,
        "--profile",
        "web1",
        "--no-encrypt",
      ),
    ),
  );
  const box = ["init", "--json", "--id", "mover-a", "--drop-zone", "acme-dropzone", "--vault", "acme-vault"];
  const stores = ["--region", region, "--endpoint", server.endpoint, "--vault-endpoint", server.endpoint];
  const mover = moverSchema.parse(JSON.parse(await machine.run("airlock-mover", ...box, ...stores)));
  await mkdir(join(machine.folder, "root/.aws"), { mode: 0o700 });
  const profile = (name: string, account: Account, user: string, policy: Record<string, unknown>): string => {
    const { accessKeyId, secretAccessKey } = account.createUser(user, policy as never); // printed by the program itself
    return `[${name}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
  };
  const credentials = [
    profile("web1", dropZone, "web1", uploader.policy),
    profile("dropzone-mover", dropZone, "mover", mover.policies.dropZone),
    profile("vault-mover", vault, "mover", mover.policies.vault),
  ];
  await writeFile(join(machine.folder, "root/.aws/credentials"), credentials.join(""), { mode: 0o600 });
  const etc = join(machine.folder, "etc/airlock");
  await appendFile(join(etc, "mover.yaml"), `  web1: { publicKeys: ["${uploader.publicKey}"] }\n`);
  await appendFile(join(etc, "uploader.yaml"), "\nsets:\n  etc: { paths: [/etc] }\n");
  // what the agent's user could read only with its one capability
  await writeFile(join(machine.folder, "etc/only-for-root"), "secret\n", { mode: 0o600 });

  const start = async (unit: string): Promise<void> => {
    await machine.run("systemctl", "start", unit).catch(async (cause: unknown) => {
      const journal = await machine.run("journalctl", "--no-pager", "-n", "40", "-u", unit);
      throw new Error(`${unit} did not start: ${journal}`, { cause });
    });
  };
  await start("airlock-set@etc.service");
  await start("airlock-mover.service");
  const isMoved = await until(async () => {
    const status: unknown = JSON.parse(await machine.run("airlock-mover", "status", "--json").catch(() => "null"));
    return JSON.stringify(status).includes('"etc"');
  }, 30_000);
  const journal = await machine.run("journalctl", "--no-pager", "-n", "60", "-u", "airlock-mover");
  assert.ok(isMoved, journal);
  assert.match(journal, /object-archived/);
  const shown = await machine.run("systemctl", "show", "airlock-mover", "-p", "ActiveState,StatusText,WatchdogUSec");
  assert.match(shown, /ActiveState=active/);
  const pid = (await machine.run("systemctl", "show", "--value", "-p", "MainPID", "airlock-mover")).trim();
  assert.match(await machine.run("cat", `/proc/${pid}/status`), /CapBnd:\s+0{16}\n[^]*Seccomp:\s+2/);
  return shown.trim().replaceAll("\n", ", ");
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
