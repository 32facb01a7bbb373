/** docs/install.md, "Your own store in ten minutes": its commands as they stand there, with versitygw and the AWS command line. */
import assert from "node:assert/strict";
import { appendFile, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { generateAgeKeyPair } from "../../operator/keygen.ts";
import { parseSigningKey } from "../../shared/keys.ts";
import { installFolder } from "../servers/cache.ts";
import { installDebianPackages, installPythonPackage } from "../servers/install-programs.ts";
import { freePort } from "../servers/processes.ts";
import { versitygw, VERSITYGW } from "../servers/versitygw.ts";
import { root } from "../support/world.ts";
import { buildAll } from "./built.ts";
import type { Part } from "./claim.ts";
import { Shell } from "./shell.ts";

const AWS_VERSION = "1.46.3";
const awsFolder = installFolder("awscli", AWS_VERSION);
/** Each with a shell of its own, as a reader has one open on each machine. */
const MACHINES = ["drop-zone's machine", "vault's machine", "Server", "Vault box"] as const;
type Name = (typeof MACHINES)[number];

export const selfHosted: Part = {
  name: "self-hosted",
  async install() {
    await versitygw.install();
    await installDebianPackages(["openssl", "jq"]);
    await installPythonPackage("awscli", AWS_VERSION, awsFolder, "awscli");
  },
  async open(stack) {
    const scratch = await mkdtemp(join(tmpdir(), "airlock-self-hosted-"));
    stack.defer(() => rm(scratch, { recursive: true, force: true }));
    return [
      {
        claim: "install.md's commands for a store of one's own as they stand there, and a backup through it",
        provedBy: "versitygw, aws, openssl",
        prove: () => followPage(scratch, stack),
      },
    ];
  },
};

async function followPage(scratch: string, stack: AsyncDisposableStack): Promise<string> {
  const { executables } = await buildAll();
  const { identity, recipient } = await generateAgeKeyPair(false);
  const page = await readFile(join(root, "docs/install.md"), "utf8");
  const section = page.slice(page.indexOf("## Your own store"), page.indexOf("## Upgrade"));
  const ports = new Map<string, number>();
  const shells = new Map<Name, Shell>();
  const folderOf = (name: Name): string => join(scratch, name.replaceAll(/\W+/g, "-"));
  for (const name of MACHINES) {
    const home = folderOf(name);
    await mkdir(join(home, ".aws"), { recursive: true, mode: 0o700 });
    const path = [executables, join(VERSITYGW, ".."), join(awsFolder, "bin"), process.env["PATH"]].join(delimiter);
    shells.set(name, stack.use(new Shell({ cwd: home, env: { PATH: path, HOME: home } })));
    ports.set(`${name} 7070`, await freePort()).set(`${name} 7071`, await freePort());
  }
  /** One machine instead of four: names and ports that are this one's, folders below the machine's own. */
  const here = (name: Name, text: string): string =>
    text
      .replaceAll("age1…", recipient)
      .replaceAll("DNS:$STORE", "IP:$STORE")
      .replaceAll("https://dropzone.example.net:7070", `https://127.0.0.1:${ports.get("drop-zone's machine 7070")}`)
      .replaceAll("https://vault.example.net:7070", `https://127.0.0.1:${ports.get("vault's machine 7070")}`)
      .replaceAll(/STORE=\w+\.example\.net/g, "STORE=127.0.0.1")
      .replaceAll(/:(707[01])/g, (_, port: string) => `:${ports.get(`${name} ${port}`)}`)
      .replaceAll("--port :", "--port 127.0.0.1:")
      .replaceAll("/srv/airlock", folderOf(name))
      .replaceAll("/etc/airlock", scratch)
      .replaceAll(/(airlock-\w+) init/g, `$1 --config ${join(scratch, "$1.yaml")} init`)
      .replaceAll(/(uploader.yaml init)/g, `$1 --spool ${join(scratch, "spool")}`);
  const profiles: string[] = [];
  let publicKey = "";
  /** What a reader takes from what a block printed to where the page says it goes. */
  const keep = async (printed: string): Promise<void> => {
    publicKey = /web1: \{ publicKeys: \["(ed25519:[^"]+)"\] \}/.exec(printed)?.[1] ?? publicKey;
    for (const [, json = ""] of printed.matchAll(/^(\{\n {4}"AccessKey": \{[\s\S]*?^\})/gm)) {
      const { UserName, AccessKeyId, SecretAccessKey } = keySchema.parse(JSON.parse(json)).AccessKey;
      profiles.push(`[${UserName}]\naws_access_key_id = ${AccessKeyId}\naws_secret_access_key = ${SecretAccessKey}\n`);
    }
  };
  const carry = async (text: string): Promise<void> => {
    const [dropZone, vault, server, box] = MACHINES.map(folderOf) as [string, string, string, string];
    if (/object-lock-enabled/.test(text)) {
      const certificates = await Promise.all([dropZone, vault].map((folder) => readFile(join(folder, "store.pem"))));
      await writeFile(join(scratch, "stores.pem"), Buffer.concat(certificates));
    }
    if (!/airlock-mover .*init/.test(text)) return;
    await copyFile(join(server, "policy.json"), join(dropZone, "policy.json"));
    await copyFile(join(box, "dropzone-policy.json"), join(dropZone, "dropzone-policy.json"));
    await copyFile(join(box, "vault-policy.json"), join(vault, "vault-policy.json"));
    await copyFile(join(root, "deploy/iam/operator.json"), join(vault, "operator.json"));
  };
  const run = async (name: Name, text: string): Promise<string> => {
    const shell = shells.get(name);
    assert.ok(shell !== undefined);
    return shell.run(here(name, text));
  };
  let count = 0;
  for (const [, prose = "", text = ""] of section.matchAll(/([\s\S]*?)^```sh\n([\s\S]*?)^```$/gm)) {
    count++;
    const [, marked = ""] = [...prose.matchAll(/\*\*([^*]+)\*\*/g)].at(-1) ?? [];
    const names = marked === "both" ? MACHINES.slice(0, 2) : MACHINES.filter((name) => name === marked);
    assert.notEqual(names.length, 0, `nobody is told to run ${text}`);
    for (const name of names) await keep(await run(name, text));
    await carry(text);
  }
  for (const name of ["Server", "Vault box"] as const) {
    await writeFile(join(folderOf(name), ".aws/credentials"), profiles.join(""), { mode: 0o600 });
  }
  await appendFile(join(scratch, "airlock-mover.yaml"), `  web1: { publicKeys: ["${publicKey}"] }\n`);
  await writeFile(join(scratch, "identity.txt"), identity, { mode: 0o600 });
  await writeFile(
    join(scratch, "airlock.yaml"),
    here(
      "Vault box",
      `vault: { bucket: acme-vault, region: eu-central-1, endpoint: "https://vault.example.net:7070", forcePathStyle: true, credentials: { profile: airlock-operator } }
movers: { mover-a: ["${await moverKey()}"] }
hosts: { web1: ["${publicKey}"] }
`,
    ),
  );
  for (const [name, program] of [
    ["Server", "airlock-uploader"],
    ["Vault box", "airlock-mover"],
  ] as const) {
    const said = await run(name, `${program} --config /etc/airlock/${program}.yaml check || test $? = 7`);
    const excess = Array.from(said.matchAll(/EXCESS +(\S+)/g), ([, power]) => power);
    assert.deepEqual(new Set(excess), new Set(["overwrite"]), said);
  }
  await run(
    "Server",
    "echo important > note && airlock-uploader --config /etc/airlock/airlock-uploader.yaml put note --set notes",
  );
  await run("Vault box", "airlock-mover --config /etc/airlock/airlock-mover.yaml run --once");
  const operator = "airlock --config /etc/airlock/airlock.yaml";
  await run(
    "Vault box",
    `${operator} restore web1/notes --to /etc/airlock/restored --identity /etc/airlock/identity.txt`,
  );
  const findings = await run("Vault box", `${operator} --json verify --read || test $? = 5`);
  const codes = Array.from(findings.matchAll(/"code":"([\w-]+)"/g), ([, code]) => code);
  assert.deepEqual(codes, ["lock-missing"], findings); // as the page says
  await run("Server", "cmp note /etc/airlock/restored/note");
  return `${count} blocks; what was put is restored`;

  async function moverKey(): Promise<string> {
    return parseSigningKey(await readFile(join(scratch, "mover.key"), "utf8"), "mover.key").public.text;
  }
}

const keySchema = z.object({
  AccessKey: z.object({ UserName: z.string(), AccessKeyId: z.string(), SecretAccessKey: z.string() }),
});
