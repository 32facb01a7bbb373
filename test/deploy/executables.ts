/** `npm run build`: what is in each executable and what is not, that it is the same each time, and that it works. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { validateBom } from "../../scripts/bom.ts";
import { bundleRole } from "../../scripts/bundle.ts";
import { ROLES, type Role } from "../../scripts/roles.ts";
import { compareTrees } from "../demo/compare-trees.ts";
import { runProgram } from "../servers/run-program.ts";
import { root, startWorld } from "../support/world.ts";
import { buildAll } from "./built.ts";
import type { Claim, Part } from "./claim.ts";

/** Of age and of Node: what turns ciphertext, or an identity, into anything. */
const DECRYPTION = /\bDecrypter\b|createDecipheriv|\bcreateDecipher\b|unwrapFileKey/g;
/** Requests that take something away, by the SDK's names for them, and our own code for exact versions. */
const DELETION = /\bDelete[A-Z]\w*Command\b|\bcreateVersionDeleter\b|\breleaseVersions\b/g;
const START_LIMIT_MS = 150;
const START_ROUNDS = 20;

export const executables: Part = {
  name: "executables",
  async open(stack): Promise<readonly Claim[]> {
    const folder = (await buildAll()).executables;
    const scratch = await mkdtemp(join(tmpdir(), "airlock-executables-"));
    stack.defer(() => rm(scratch, { recursive: true, force: true }));
    const [uploader, mover] = ROLES;
    if (uploader === undefined || mover === undefined) throw new Error("there are no roles");
    return [
      {
        claim: "the same checkout elsewhere, later: the same bytes; the sums are right",
        provedBy: "sha256sum",
        prove: () => rebuild(folder, stack),
      },
      {
        claim: "the uploader's code decrypts nothing, and deletes nothing but what `check` tries to",
        provedBy: "grep of the bundle",
        async prove() {
          const code = await bundleIn(uploader, folder, scratch);
          assert.deepEqual(namesIn(code, DECRYPTION), []);
          // both are tried on the caller's own fresh object, to prove that they are refused
          assert.deepEqual(namesIn(code, DELETION), ["DeleteObjectCommand", "DeleteObjectsCommand"]);
          return "0 of decryption; DeleteObject and DeleteObjects of `check`";
        },
      },
      {
        claim: "the mover's code decrypts nothing",
        provedBy: "grep of the bundle",
        async prove() {
          assert.deepEqual(namesIn(await bundleIn(mover, folder, scratch), DECRYPTION), []);
          return "0";
        },
      },
      {
        claim: "each has a bill of materials that is valid and names the Node in it",
        provedBy: "CycloneDX's schema",
        async prove() {
          for (const { program } of ROLES) {
            const text = await readFile(join(folder, `${program}.cdx.json`), "utf8");
            await validateBom(text);
            assert.match(text, new RegExp(`pkg:github/nodejs/node@${process.version}`));
          }
          return process.version;
        },
      },
      {
        claim: `--version starts within ${START_LIMIT_MS} ms above bare Node, with its code cache, and heeds no NODE_OPTIONS`,
        provedBy: "clock",
        prove: () => startUp(folder, scratch),
      },
      {
        claim: "what the executables back up, move and verify is restored as it was",
        provedBy: "the programs",
        prove: () => roundTrip(folder),
      },
    ];
  },
};

async function rebuild(folder: string, stack: AsyncDisposableStack): Promise<string> {
  const elsewhere = await mkdtemp(join(root, "dist", "elsewhere-"));
  stack.defer(() => rm(elsewhere, { recursive: true, force: true }));
  // links, since only one file system has them; what git ignores comes along as node_modules alone
  await runProgram("cp", ["-al", join(root, "node_modules"), elsewhere], { timeoutMs: 120_000 });
  const files = ["package.json", "tsconfig.json", "scripts", "shared", "uploader", "mover", "operator", "deploy"];
  await runProgram("cp", ["-r", ...files.map((name) => join(root, name)), elsewhere]);
  const again = join(elsewhere, "dist", "bin");
  await runProgram(process.execPath, [join(elsewhere, "scripts/build.ts"), again], { timeoutMs: 200_000 });
  await runProgram("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder });
  const sums = await readFile(join(folder, "SHA256SUMS"), "utf8");
  assert.equal(await readFile(join(again, "SHA256SUMS"), "utf8"), sums);
  return `${sums.split("\n").length - 1} files`;
}

/** The bundle, of which the executable holds exactly these bytes. */
async function bundleIn(role: Role, folder: string, scratch: string): Promise<string> {
  const { code } = await bundleRole(role, scratch);
  assert.ok((await readFile(join(folder, role.program))).includes(code), `${role.program} has another bundle`);
  return code;
}

/** What it carries in an address is looked at as well. */
function namesIn(code: string, pattern: RegExp): string[] {
  const carried = Array.from(code.matchAll(/"data:text\/javascript,([^"]+)"/g), ([, text = ""]) =>
    decodeURIComponent(text),
  );
  return [...new Set([code, ...carried].flatMap((text) => text.match(pattern) ?? []))].toSorted();
}

async function startUp(folder: string, scratch: string): Promise<string> {
  const bare = join(scratch, "bare.cjs");
  await writeFile(bare, "process.stdout.write('0.0.0\\n');\n");
  const hook = join(scratch, "hook.cjs");
  await writeFile(hook, "process.stdout.write('hooked');\n");
  const env = { PATH: process.env["PATH"], NODE_OPTIONS: `--require ${hook}` };
  const took = async (command: string, args: readonly string[]): Promise<number> => {
    const began = performance.now();
    await runProgram(command, args, { env: { PATH: process.env["PATH"] } });
    return performance.now() - began;
  };
  const seen: string[] = [];
  for (const { program } of ROLES) {
    const path = join(folder, program);
    // "Code cache data rejected" would be a line on standard error
    const said = await runProgram("sh", ["-c", '"$0" --version 2>&1', path], { env });
    assert.match(said, /^\d+\.\d+\.\d+\n$/);
    let [least, bareLeast] = [Infinity, Infinity];
    for (let round = 0; round < START_ROUNDS && (round < 3 || least - bareLeast >= START_LIMIT_MS); round++) {
      bareLeast = Math.min(bareLeast, await took(process.execPath, [bare]));
      least = Math.min(least, await took(path, ["--version"]));
    }
    assert.ok(least - bareLeast < START_LIMIT_MS, `${program}: ${least} ms, and ${bareLeast} ms of bare Node`);
    seen.push(`${program} ${Math.round(least - bareLeast)} ms`);
  }
  return seen.join(", ");
}

async function roundTrip(folder: string): Promise<string> {
  const identity = await runProgram(join(folder, "airlock"), ["keygen"]);
  const [, recipient = ""] = /public key: (age1\w+)/.exec(identity) ?? [];
  await using world = await startWorld({ recipient });
  const [source, restored, identityFile] = ["source", "restored", "identity"].map((name) => join(world.dir, name)) as [
    string,
    string,
    string,
  ]; // as many as there are names
  await mkdir(source);
  await writeFile(join(source, "a"), Buffer.alloc(20_000_000, "airlock"));
  await writeFile(join(source, "b"), "b\n");
  await writeFile(identityFile, identity, { mode: 0o600 });
  const run = (program: string, config: string, ...args: readonly string[]): Promise<string> =>
    runProgram(join(folder, program), ["--config", config, ...args], {
      env: { PATH: process.env["PATH"], HOME: world.dir },
    });
  await run("airlock-uploader", world.uploaderConfig("web1"), "put", source, "--set", "files");
  await run("airlock-mover", world.moverConfig, "run", "--once");
  await run("airlock", world.operatorConfig, "verify", "--read");
  await run("airlock", world.operatorConfig, "restore", "web1/files", "--to", restored, "--identity", identityFile);
  await compareTrees(source, join(restored, source));
  return "a folder, compressed and encrypted in its thread";
}
