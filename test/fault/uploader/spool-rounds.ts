/** Rounds of `spool-program.ts` in one world: each finishes what the one before left when it was killed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import { parseDropZoneName } from "../../../shared/names.ts";
import { readUploaderConfig } from "../../../uploader/config.ts";
import { openDatabase, text } from "../../../uploader/database.ts";
import type { FaultRequest, FaultRule } from "../../s3-server/server.ts";
import { assertSequenceWhole, readDropZone, type StoredObject } from "../../integration/uploader/drop-zone.ts";
import { COMPILE_CACHE, DROP_ZONE, root, type World } from "../../support/world.ts";
import type { ProgramConfig } from "./spool-program.ts";

export interface Kind {
  readonly name: string;
  readonly sizeBytes: number;
}

export interface Round {
  readonly kind: Kind;
  /** Shown when something is wrong afterwards. */
  readonly label: string;
  /** The program's own point at which it kills itself. */
  readonly killAt?: number;
  /** The remote write at which it is killed. */
  readonly write?: { readonly rule: Omit<FaultRule, "fault">; readonly when: "before" | "after" };
  /** The time after which it is killed, counted from its start of work (before it recovers, or after). */
  readonly killAfter?: { readonly event: "up" | "recovered"; readonly ms: number };
  /** A mover carries off what can be seen once the program is dead. */
  readonly isTaken?: boolean;
}

export interface Played {
  /** Of a program that was not killed: how many points it had passed when its object was stored, and at its end. */
  readonly points: readonly number[];
  readonly durationMs: number;
}

export interface Rounds {
  /** Everything stored so far that was not looked at yet is in the drop-zone, and the spool is empty: then goes on. */
  run(round: Round): Promise<Played>;
  /** A last one that nobody kills. */
  finish(kind: Kind): Promise<void>;
}

const STATE_TABLES = ["waiting", "waiting_part", "unpublished"];

export async function playRounds(world: World): Promise<Rounds> {
  // Read once: reading it is a third of what the program would do.
  const { host, spool: spoolFolder, signingKeyFile, dropZone } = await readUploaderConfig(world.uploaderConfig("web1"));
  const config: ProgramConfig = { host, spoolFolder, signingKeyFile, dropZone };
  /** By name: the digest of each object whose storing was confirmed. */
  const stored = new Map<string, string>();
  const seen = new Map<string, StoredObject>();
  const envelopes = new Map<number, Set<string>>();
  const confirmedParts = new Set<string>();
  const repeatedParts: string[] = [];
  let number = 0;
  let lastLabel = "nothing yet";
  world.server.faults.add({
    operation: "UploadPart",
    fault: {
      kind: "hook",
      when: "before",
      run: ({ query }: FaultRequest) => {
        const part = `${query.get("uploadId")} ${query.get("partNumber")}`;
        if (confirmedParts.has(part)) repeatedParts.push(part);
        return Promise.resolve();
      },
    },
  });

  /** Notes all that can be seen; and carries it off, as a mover does. */
  const look = async (isTaken: boolean): Promise<readonly number[]> => {
    const content = await readDropZone(world);
    for (const object of content.objects) seen.set(object.key, { ...object, body: Buffer.alloc(0) });
    for (const [seq, texts] of content.envelopes) {
      envelopes.set(seq, (envelopes.get(seq) ?? new Set()).union(texts));
    }
    if (isTaken) {
      const keys = new Set(content.objects.flatMap(({ key }) => [key, `${key}.airlock.json`]));
      for (const { key, versionId } of await world.listDropZone()) {
        if (!keys.has(key)) continue;
        const version = versionId === null ? {} : { VersionId: versionId };
        await world.dropZoneOwner.send(new DeleteObjectCommand({ Bucket: DROP_ZONE, Key: key, ...version }));
      }
    }
    return content.alone.map(({ seq }) => seq);
  };
  const assertRecovered = async (): Promise<void> => {
    const after = `after ${lastLabel}`;
    assert.deepEqual(await look(true), [], `a statement without its object ${after}`);
    const objects = [...seen.values()];
    for (const [name, sha256] of stored) {
      const found = objects.filter(({ key }) => parseDropZoneName(key)?.name === name);
      assert.deepEqual(
        found.map(({ statement }) => statement.sha256),
        [sha256],
        `${name} ${after}`,
      );
    }
    assertSequenceWhole({ objects, alone: [], envelopes, openUploads: 0 });
    assert.deepEqual(repeatedParts, [], `parts that had been confirmed were sent again ${after}`);
    assert.deepEqual(readdirSync(join(spoolFolder, "waiting")), [], `files in the spool ${after}`);
    using database = openDatabase(spoolFolder);
    for (const table of STATE_TABLES) {
      assert.equal(database.sql.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n, 0, `${table} ${after}`);
    }
  };
  const noteConfirmedParts = (): void => {
    using database = openDatabase(spoolFolder);
    const select = "SELECT upload_id || ' ' || number AS part FROM waiting_part JOIN waiting USING (id)";
    for (const row of database.sql.prepare(select).all()) confirmedParts.add(text(row.part));
  };

  const run: Rounds["run"] = async (round) => {
    const name = `${round.kind.name}${++number}`;
    const program = start(world, config, name, round);
    const kill = (): void => void program.process.kill("SIGKILL");
    const { killAfter, write } = round;
    let timer: NodeJS.Timeout | undefined;
    if (killAfter?.event === "up") void program.said("up").then(() => (timer = setTimeout(kill, killAfter.ms)));
    let begunMs = performance.now();
    if ((await program.said("recovered")) !== null) {
      if (killAfter?.event !== "up") await assertRecovered();
      if (killAfter?.event === "recovered") timer = setTimeout(kill, killAfter.ms);
      if (write !== undefined) armKill(world, write, program);
      begunMs = performance.now();
      program.process.stdin.write("go\n");
    }
    const { signal, stderr, lines } = await program.ended;
    clearTimeout(timer);
    const sha256 = lines.find((line) => line.startsWith("stored "))?.slice(7);
    if (sha256 !== undefined) stored.set(name, sha256);
    const isKilled = round.killAt !== undefined || write !== undefined;
    const points =
      lines
        .find((line) => line.startsWith("points "))
        ?.split(" ")
        .slice(1)
        .map(Number) ?? [];
    assert.ok(signal === "SIGKILL" || (points.length > 0 && !isKilled), `${round.label}: ${signal} ${stderr}`);
    lastLabel = round.label;
    noteConfirmedParts();
    if (round.isTaken === true) await look(true);
    return { points, durationMs: performance.now() - begunMs };
  };
  return {
    run,
    async finish(kind) {
      await run({ kind, label: "a round that nobody killed" });
      await assertRecovered();
    },
  };
}

function armKill(world: World, { rule, when }: NonNullable<Round["write"]>, program: Program): void {
  const run = async (): Promise<void> => {
    program.process.kill("SIGKILL");
    await program.ended;
  };
  world.server.faults.add({ ...rule, times: 1, fault: { kind: "hook", when, run } });
  // A request that has arrived takes effect though its sender is gone, unless something prevents it.
  const prevention = { kind: "error", when, status: 500, code: "InternalError" } as const;
  if (when === "before") world.server.faults.add({ ...rule, times: 1, fault: prevention });
}

type Program = ReturnType<typeof start>;

function start(world: World, config: ProgramConfig, name: string, { kind, killAt = 0 }: Round) {
  const file = join(root, "test/fault/uploader/spool-program.ts");
  const args = [file, JSON.stringify(config), name, String(kind.sizeBytes), String(killAt)];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, HOME: world.dir, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: COMPILE_CACHE },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Map<string, (line: string | null) => void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    waiting.get(line)?.(line);
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on("error", () => undefined); // it may be killed before it reads
  const ended = once(child, "close").then(() => {
    for (const resolve of waiting.values()) resolve(null);
    return { signal: child.signalCode, stderr, lines };
  });
  /** null: it ended without. */
  const said = (line: string): Promise<string | null> =>
    lines.includes(line) ? Promise.resolve(line) : new Promise((resolve) => waiting.set(line, resolve));
  return { process: child, ended, said };
}
