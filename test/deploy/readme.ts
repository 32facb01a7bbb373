/**
 * The README's ten minutes, followed to the letter in a clean Debian that is all three machines at once: its commands as
 * they stand there, against two accounts on loopback. What an administrator does with `aws` is done in their terms.
 */
import assert from "node:assert/strict";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { startS3Server, type Account, type S3Server } from "../s3-server/server.ts";
import { until } from "../servers/processes.ts";
import { runProgram } from "../servers/run-program.ts";
import type { PolicyDocument, PolicyStatement } from "../servers/server.ts";
import { root } from "../support/world.ts";
import type { Machine } from "./debian-root.ts";
import { codeBlocks, type CodeBlock } from "./code-blocks.ts";

/** In the machine: where the packages lie, and where the reader's shell is. */
const FOLDER = "opt/deb";
const CONFIGURATION: Readonly<Record<string, string>> = {
  sets: "etc/airlock/uploader.yaml",
  hosts: "etc/airlock/mover.yaml",
  vault: "root/.config/airlock/operator.yaml",
};
const policySchema = z.object({ Version: z.literal("2012-10-17"), Statement: z.array(z.custom<PolicyStatement>()) });

/** What a reader has in front of them: the page's commands in order, and what earlier ones printed. */
class Reader {
  readonly #machine: Machine;
  readonly #server: S3Server;
  readonly #accounts: { readonly dropZone: Account; readonly vault: Account };
  #recipient = "";
  /** By program, as its `init` says it. */
  readonly #publicKeys = new Map<string, string>();

  constructor(machine: Machine, server: S3Server) {
    this.#machine = machine;
    this.#server = server;
    this.#accounts = { dropZone: server.createAccount("drop-zone"), vault: server.createAccount("vault") };
  }

  async follow({ language, text }: CodeBlock): Promise<void> {
    if (language === "yaml") return this.#configure(text);
    if (text.startsWith("npm ci")) {
      return assert.equal(text, "npm ci && npm run build && npm run deb\n"); // how the packages under test were made
    }
    if (/^aws /m.test(text)) return this.#administer(text);
    await this.#run(text);
  }

  async #run(commands: string): Promise<void> {
    const text = commands
      .replaceAll("age1…", this.#recipient)
      .replaceAll(
        /--(vault-)?region [a-z0-9-]+/g,
        `--$1region ${this.#server.region} --$1endpoint ${this.#server.endpoint}`,
      );
    const log = join(this.#machine.folder, FOLDER, "printed");
    await this.#machine.run("sh", "-ec", `cd /${FOLDER}; exec >printed 2>&1; ${text}`).catch(async (cause: unknown) => {
      const journal = await this.#machine.run("journalctl", "--no-pager", "-n", "40", "-u", "airlock*");
      throw new Error(`${text}: ${await readFile(log, "utf8")}\n${journal}`, { cause });
    });
    const printed = await readFile(log, "utf8");
    this.#recipient = /\bage1\w+/.exec(printed)?.[0] ?? this.#recipient;
    const [, program] = /^(airlock[\w-]*) init /m.exec(text) ?? [];
    const [key] = /ed25519:[\w+/]+=*/.exec(printed) ?? [];
    if (program !== undefined && key !== undefined) this.#publicKeys.set(program, key);
  }

  /** The keys take their place by what they are said to be; a `hosts:` that `init` has written goes on. */
  async #configure(block: string): Promise<void> {
    const [name = ""] = /^\w+/.exec(block) ?? [];
    const file = join(this.#machine.folder, CONFIGURATION[name] ?? assert.fail(`no file for ${name}:`));
    const { region, endpoint } = this.#server;
    const text = block
      .replaceAll(/(mover-a: \[")ed25519:…/g, `$1${this.#publicKeys.get("airlock-mover")}`)
      .replaceAll("ed25519:…", this.#publicKeys.get("airlock-uploader") ?? "")
      .replaceAll(/region: [\w-]+/g, `region: ${region}, endpoint: "${endpoint}"`);
    await mkdir(join(file, ".."), { recursive: true });
    await appendFile(file, name === "hosts" ? text.replace(/^hosts:\n/, "") : text);
  }

  async #administer(text: string): Promise<void> {
    const commands = text.replaceAll("\\\n", " ").split("\n").filter(Boolean);
    for (const command of commands) {
      const option = (name: string): string =>
        new RegExp(`--${name} (\\S+)`).exec(command)?.[1] ?? assert.fail(command);
      if (command.startsWith("jq ")) {
        await runProgram("sh", ["-ec", command], { cwd: join(this.#machine.folder, FOLDER) }); // the administrator's machine
      } else if (command.startsWith("aws s3api create-bucket ")) {
        const isLocked = command.endsWith("--object-lock-enabled-for-bucket");
        const account = isLocked ? this.#accounts.vault : this.#accounts.dropZone;
        account.createBucket(
          option("bucket"),
          isLocked ? { objectLock: { mode: "COMPLIANCE", days: 30 } } : { versioning: true },
        );
      } else if (/--policy-document /.test(command)) {
        await this.#giveKey(option("user-name"), option("policy-document").replace("file://", ""));
      } else {
        // what the two calls above have done already
        assert.match(
          command,
          /^aws (iam create-(user|access-key) |s3api put-(bucket-versioning|object-lock-configuration) )/,
        );
      }
    }
  }

  async #giveKey(user: string, policyFile: string): Promise<void> {
    const isVaults = policyFile.startsWith("vault-");
    const profile = user !== "airlock-mover" ? user : isVaults ? "vault-mover" : "dropzone-mover";
    const policy = await readFile(join(this.#machine.folder, FOLDER, policyFile), "utf8");
    await this.addProfile(profile, isVaults ? "vault" : "dropZone", policySchema.parse(JSON.parse(policy)));
  }

  async addProfile(profile: string, account: "dropZone" | "vault", policy: PolicyDocument): Promise<void> {
    const { accessKeyId, secretAccessKey } = this.#accounts[account].createUser(profile, policy);
    const file = join(this.#machine.folder, "root/.aws/credentials");
    await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
    const lines = [
      `[${profile}]`,
      `aws_access_key_id = ${accessKeyId}`,
      `aws_secret_access_key = ${secretAccessKey}`,
      "",
    ];
    await appendFile(file, lines.join("\n"), { mode: 0o600 });
  }
}

/** From the packages to a scheduled backup in the vault, and back. */
export async function followReadme(machine: Machine, stack: AsyncDisposableStack, scratch: string): Promise<string> {
  const server = await startS3Server({ dir: scratch });
  stack.defer(() => server.close());
  const page = await readFile(join(root, "README.md"), "utf8");
  const blocks = codeBlocks(page.slice(page.indexOf("## Ten minutes"), page.indexOf("## What it promises")));
  const reader = new Reader(machine, server);
  const operator = policySchema.parse(JSON.parse(await readFile(join(root, "deploy/iam/operator.json"), "utf8")));
  // the store on loopback has no TLS, which the policy insists on
  const Statement = operator.Statement.filter(({ Sid }) => Sid !== "OnlyOverTls");
  await reader.addProfile("airlock-operator", "vault", { ...operator, Statement });
  // what the unit's user can read only with its one capability
  await writeFile(join(machine.folder, "etc/only-for-root"), "secret\n", { mode: 0o600 });
  // the night comes at once
  const dropIn = join(machine.folder, "etc/systemd/system/airlock-set@etc.timer.d");
  await mkdir(dropIn, { recursive: true });
  await writeFile(join(dropIn, "soon.conf"), "[Timer]\nOnActiveSec=1s\nAccuracySec=1s\nRandomizedDelaySec=0\n");

  const journalOf = (unit: string): Promise<string> => machine.run("journalctl", "--no-pager", "-n", "60", "-u", unit);
  for (const block of blocks) {
    if (/mover_.*\.deb/.test(block.text)) {
      const hasRun = await until(async () => /Finished/.test(await journalOf("airlock-set@etc")), 60_000);
      assert.ok(hasRun, await journalOf("airlock-set@etc"));
      await machine.run("cp", "-a", "/etc", "/opt/etc-as-backed-up");
      // and no other one: reloading units, as installing a package does, would begin it again
      await rm(dropIn, { recursive: true });
      await machine.run("systemctl", "daemon-reload");
    }
    if (/^airlock ls/m.test(block.text)) {
      const count = async (): Promise<number> =>
        (await journalOf("airlock-mover")).match(/"event":"object-archived".*"set":"etc"/g)?.length ?? 0;
      const areArchived = await until(async () => (await count()) === 2, 60_000);
      assert.ok(areArchived, `${await journalOf("airlock-set@etc")}\n${await journalOf("airlock-mover")}`);
    }
    await reader.follow(block);
  }
  await machine.run("diff", "--recursive", "--no-dereference", "/opt/etc-as-backed-up", "/tmp/restored/etc");
  assert.match(await readFile(join(machine.folder, FOLDER, "report.html"), "utf8"), /web1/);
  return `${blocks.length} blocks; what the timer's run stored, restored, is what /etc was`;
}
