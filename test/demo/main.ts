/**
 * `npm run demo`: one object's whole way, for real, in under a minute. Two accounts in the embedded store, the three
 * programs as processes, each with its own key; a thief who has the host's; a restore that is compared byte for byte.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatBytes, formatDuration } from "../../shared/config/units.ts";
import { formatTable } from "../../shared/table.ts";
import { startS3Server } from "../s3-server/server.ts";
import { compareTrees } from "./compare-trees.ts";
import { Programs } from "./programs.ts";
import { setUp, type Site } from "./set-up.ts";
import { tryAsThief } from "./thief.ts";

const FILE_BYTES = 200 * 1024 * 1024;
const FOLDER = "shared";
const COMMAND = ["ls", "-lR", "shared", "mover"];

const startedAt = performance.now();
const dir = await mkdtemp(join(tmpdir(), "airlock-demo-"));
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupted.abort());
try {
  await demonstrate();
  say(
    `\nDone in ${formatDuration(performance.now() - startedAt)}. Nothing is left running, and nothing is left behind.`,
  );
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function demonstrate(): Promise<void> {
  await mkdir(join(dir, "store"));
  await using server = await startS3Server({ dir: join(dir, "store") });
  await using programs = new Programs(dir, interrupted.signal);

  head("Two accounts, three keys");
  const site = await setUp(dir, server, programs);
  say(`drop-zone and vault at ${server.endpoint}; versions and a 30-day compliance lock in the vault`);
  say(
    "web1 may create below web1/; the mover may read and release there, and add to the vault; the operator may read it",
  );

  head("The mover runs, on a box that accepts no connection");
  const mover = programs.start("mover", ["run"]);
  const large = join(dir, "volume.img");
  const largeDigest = await writeLarge(large);

  head("web1 backs up: a folder, a file of 200 MiB, a command's output");
  await put(programs, site, ["put", FOLDER, "--set", "sources"]);
  await put(programs, site, ["put", large, "--set", "volumes"]);
  await put(programs, site, ["put", "--set", "listing", "--name", "listing.txt", "--", ...COMMAND]);
  const moved = await mover.waitForLines((line) => line.event === "object-archived", 3);

  head("Somebody takes web1, with its key");
  say(
    formatTable(
      [{ header: "THE THIEF TRIES TO" }, { header: "THE STORE SAYS" }],
      await tryAsThief(server, site),
    ).trimEnd(),
  );

  head("The operator restores, with the identity that web1 never had");
  await restore(programs, site, "web1/sources");
  await compareTrees(FOLDER, join(dir, "restored", FOLDER));
  say(`the folder is equal to the original`);
  await restore(programs, site, "web1/volumes");
  same(await digestOf(join(dir, "restored", "volume.img")), largeDigest, "the file");
  await restore(programs, site, "web1/listing");
  same(
    await digestOf(join(dir, "restored", "listing.txt")),
    await programs.digestOfOutput(COMMAND),
    "the command's output",
  );

  head("The ledger proves it");
  say((await programs.run("operator", ["verify", "--read"], site.operatorConfig)).stdout.trimEnd());
  await mover.stop();
  head("Exposure: from the moment an object was complete to its removal from the drop-zone");
  const rows = moved.map(({ set, bytes, exposureMs, exposureFrom }) => [
    String(set),
    formatBytes(Number(bytes)),
    formatDuration(Number(exposureMs)),
    String(exposureFrom),
  ]);
  say(
    formatTable(
      [
        { header: "SET" },
        { header: "STORED", align: "right" },
        { header: "EXPOSURE", align: "right" },
        { header: "COUNTED FROM" },
      ],
      rows,
    ).trimEnd(),
  );
}

async function put(programs: Programs, site: Site, args: readonly string[]): Promise<void> {
  const { stdout } = await programs.run("uploader", args, site.uploaderConfig);
  say(`$ airlock-uploader ${args.join(" ").replaceAll(dir, "…")}\n${stdout.trimEnd()}`);
}

async function restore(programs: Programs, site: Site, what: string): Promise<void> {
  const args = ["restore", what, "--to", join(dir, "restored"), "--identity", site.identityFile];
  const { stdout } = await programs.run("operator", args, site.operatorConfig);
  say(`$ airlock ${args.join(" ").replaceAll(dir, "…")}\n${stdout.replaceAll(dir, "…").trimEnd()}`);
}

/** Half of it noise, half of it text-like, so that compression has something to do and cannot do away with it. */
async function writeLarge(file: string): Promise<string> {
  const hash = createHash("sha256");
  await using handle = await open(file, "w");
  const chunk = Buffer.alloc(1024 * 1024, "airlock ");
  for (let written = 0; written < FILE_BYTES; written += chunk.length) {
    randomBytes(chunk.length / 2).copy(chunk);
    hash.update(chunk);
    await handle.write(chunk);
  }
  return hash.digest("hex");
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer); // no encoding was asked for
  return hash.digest("hex");
}

function same(found: string, expected: string, what: string): void {
  if (found !== expected) throw new Error(`${what} differs from the original`);
  say(`${what} is equal to the original, byte for byte`);
}

function head(title: string): void {
  say(`\n== ${title}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
