/** F. Nobody: what goes wrong by itself. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runMoverHere } from "../support/run-here.ts";
import { COMPILE_CACHE, root } from "../support/world.ts";
import { troubled } from "./d-network.ts";
import type { Row } from "./row.ts";
import type { Field } from "./stand.ts";

const WHOLE = "nothing lost, nothing twice, verify finds nothing";

/** Told apart by the ledger; or by the start-up probe, of which each takes away what the other has just laid down. */
const GIVES_WAY: ReadonlySet<string> = new Set(["ledger-conflict", "store-unavailable"]);

/** All that was sent is archived once, and recorded once. */
async function wholeness(field: Field, sent: number): Promise<string> {
  const ran = await field.move();
  const archived = await field.listVault();
  const names = new Set(archived.map(({ key }) => key));
  const left = (await field.listDropZone()).length;
  const verified = await field.verify();
  const isWhole = names.size === sent && archived.length === sent && left === 0;
  return ran.exit === 0 && isWhole && verified.exit === 0
    ? WHOLE
    : `exit ${ran.exit}, ${archived.length} of ${sent} archived, ${left} left, verify ${verified.exit}; ${ran.error?.message} ${verified.error?.message}`;
}

export const fAccidents: readonly Row[] = [
  {
    attacker: "F",
    tries: "power cut: kill -9 of the mover, again and again",
    gets: WHOLE,
    attempt: async (stand) => {
      await using field = await stand.field();
      const sent = 40;
      for (let count = 0; count < sent; count++) await field.upload(field.web1, randomBytes(1000 * count));
      for (let round = 0; round < 4; round++) {
        const child = spawn(process.execPath, [join(root, "mover/main.ts"), "--config", field.moverConfig, "run"], {
          env: { PATH: process.env.PATH, HOME: field.dir, NODE_NO_WARNINGS: "1", NODE_COMPILE_CACHE: COMPILE_CACHE },
          stdio: ["ignore", "ignore", "pipe"],
        });
        const ended = once(child, "close");
        // in the midst of its work, each time somewhere else; or when there is none left
        let seen = "";
        child.stderr.on("data", (chunk: Buffer) => {
          seen += chunk.toString();
          if (seen.split('"object-archived"').length > 1 + round * 3) child.kill("SIGKILL");
        });
        const timer = setTimeout(() => child.kill("SIGKILL"), 8_000);
        await ended;
        clearTimeout(timer);
      }
      return await wholeness(field, sent);
    },
  },
  {
    attacker: "F",
    tries: "two movers with one name, each on a box of its own",
    gets: WHOLE,
    attempt: async (stand) => {
      await using field = await stand.field();
      const sent = 20;
      for (let count = 0; count < sent; count++) await field.upload(field.web1, randomBytes(1000));
      const other = join(field.dir, "other.yaml");
      const text = await readFile(field.moverConfig, "utf8");
      await writeFile(other, text.replace(/^state: .*$/m, `state: ${join(field.dir, "elsewhere")}`));
      // the program's own patience: two in one process, on a store that is busy with both, are slower than a second
      const patient = { connecting: {} };
      const [one, two] = await Promise.all([field.move(patient), runMoverHere({ moverConfig: other }, patient)]);
      const odd = [one, two].find(({ error }) => error !== null && !GIVES_WAY.has(error.code));
      return odd === undefined ? await wholeness(field, sent) : `${odd.error?.code}: ${odd.error?.message}`;
    },
  },
  {
    attacker: "F",
    tries: "two movers with one name on one box",
    gets: "the second is told so: locked",
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web1, randomBytes(1000));
      let second: Promise<string> | null = null;
      await field.move({
        onEvent: ({ event }) => {
          if (event === "started") second = field.move().then(({ error }) => error?.code ?? "ran as well");
        },
      });
      const outcome = await (second ?? Promise.resolve("never tried"));
      return outcome === "locked" ? "the second is told so: locked" : outcome;
    },
  },
  {
    attacker: "F",
    tries: "a configuration for the wrong bucket, or the wrong account",
    gets: "exit 2 and 4, before anything moves",
    enforcedBy: "vault",
    otherwise: {
      moto: { gets: "exit 4 and 4, before anything moves", why: "it denies a bucket that is not there" },
    },
    attempt: async (stand) => {
      await using field = await stand.field();
      await field.upload(field.web1, randomBytes(1000));
      const text = await readFile(field.moverConfig, "utf8");
      const exits: number[] = [];
      const secrets = /accessKeyIdFile: ([^,]+), secretAccessKeyFile: ([^ ]+)/g;
      const [zoneKey = "", safeKey = ""] = Array.from(text.matchAll(secrets), ([whole]) => whole);
      const wrong = [
        text.replace(field.vault, `${field.vault}-not`),
        text.replace(safeKey, zoneKey), // the other account's
      ];
      for (const changed of wrong) {
        await writeFile(field.moverConfig, changed);
        exits.push((await field.move()).exit);
      }
      const isUntouched = (await field.listVault()).length === 0 && (await field.listDropZone()).length === 1;
      return isUntouched ? `exit ${exits.join(" and ")}, before anything moves` : "something moved";
    },
  },
  {
    attacker: "F",
    tries: "a host that uploads the same file twice",
    gets: WHOLE,
    attempt: async (stand) => {
      await using field = await stand.field();
      const bytes = randomBytes(1000);
      await field.upload(field.web1, bytes);
      await field.upload(field.web1, bytes);
      return await wholeness(field, 2);
    },
  },
  troubled("stores that answer 503 for a long while", "F", () => {
    let met = 0;
    const down = { kind: "answer", status: 503, body: "<Error><Code>SlowDown</Code></Error>" } as const;
    const tamper = () => {
      met++;
      return down;
    };
    return { dropZone: tamper, vault: tamper, met: () => met };
  }),
];
