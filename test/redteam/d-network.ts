/** D. Holds the network between the mover and both stores. */
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { HURRIED, runMoverHere } from "../support/run-here.ts";
import type { Row } from "./row.ts";
import type { Field, FieldOptions } from "./stand.ts";
import type { Passing, Tamper, Tampering } from "./tamperer.ts";

const UNHARMED = "nothing lost, nothing early, verify finds nothing";

/**
 * Uploads, and moves while the network is in the attacker's hands; a run that gives up is followed by the next, and after
 * `runs` of them he tires. Whenever the mover stops, all that left the drop-zone has to be in the vault.
 */
export function troubled(
  tries: string,
  attacker: Row["attacker"],
  trouble: () => FieldOptions["tamper"] & { readonly met: () => number },
  runs = 3,
): Row {
  return {
    attacker,
    tries,
    gets: UNHARMED,
    attempt: async (stand) => {
      const tamper = trouble();
      let isTroubled = false;
      const during =
        (by: Tamper | undefined): Tamper =>
        (passing) =>
          isTroubled && by !== undefined ? by(passing) : { kind: "pass" };
      await using field = await stand.field({
        tamper: { dropZone: during(tamper.dropZone), vault: during(tamper.vault) },
      });
      const sent = new Map<string, string>();
      for (const sizeBytes of [0, 10, 3000, 200_000, 9 * 1024 * 1024]) {
        const bytes = randomBytes(sizeBytes);
        const { key } = await field.upload(field.web1, bytes);
        sent.set(key, createHash("sha256").update(bytes).digest("hex"));
      }
      isTroubled = true;
      for (let run = 0; run < runs; run++) {
        await field.move({ timing: HURRIED });
        const early = await leftEarly(field, sent);
        if (early !== null) return early;
      }
      isTroubled = false;
      if (tamper.met() === 0) return "nothing was tampered with";
      const ran = await field.move();
      const early = await leftEarly(field, sent);
      if (early !== null) return early;
      const left = (await field.listDropZone()).length;
      const verified = await field.verify();
      return ran.exit === 0 && left === 0 && verified.exit === 0
        ? UNHARMED
        : `exit ${ran.exit}, ${left} left, verify ${verified.exit} ${JSON.stringify(verified.printed.slice(0, 2))}`;
    },
  };
}

/** An object that is gone from the drop-zone and not, or not rightly, in the vault and its ledger. */
async function leftEarly(field: Field, sent: ReadonlyMap<string, string>): Promise<string | null> {
  const waiting = new Set((await field.listDropZone()).map(({ key }) => key));
  const entries = await field.entries();
  for (const [key, sha256] of sent) {
    if (waiting.has(key)) continue;
    const entry = entries.find(({ source }) => source?.key === key);
    if (!entry?.vault) return `${key} left without a record`;
    const found = createHash("sha256")
      .update(await field.readVault(entry.vault.name))
      .digest("hex");
    if (found !== sha256 || entry.sha256 !== sha256) return `${key} was archived wrong`;
  }
  return null;
}

/** Whether a pseudo-random sequence, the same in every run, says so; `met` counts. */
function mischief(share: number, make: (next: () => number, passing: Passing) => Tampering) {
  let state = 0x2545f491;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  let met = 0;
  const tamper: Tamper = (passing) => {
    if (next() >= share) return { kind: "pass" };
    met++;
    return make(next, passing);
  };
  return { tamper, met: () => met };
}

function onBoth(share: number, make: (next: () => number, passing: Passing) => Tampering) {
  return (): FieldOptions["tamper"] & { readonly met: () => number } => {
    const { tamper, met } = mischief(share, make);
    return { dropZone: tamper, vault: tamper, met };
  };
}

/** The start-up probe is let through, so that there is something to cut. */
const afterProbe =
  (make: (next: () => number, passing: Passing) => Tampering) =>
  (next: () => number, passing: Passing): Tampering =>
    passing.path.includes("/_airlock/probe/") ? { kind: "pass" } : make(next, passing);

const cuts: readonly Row[] = [
  troubled(
    "cut connections before the store hears of it",
    "D",
    onBoth(
      0.3,
      afterProbe(() => ({ kind: "reset-request" })),
    ),
  ),
  troubled(
    "cut answers at any byte, after it took effect",
    "D",
    onBoth(
      0.3,
      afterProbe((next) => ({ kind: "reset", atByte: Math.floor(next() ** 4 * 100_000) })),
    ),
  ),
  troubled(
    "swallow answers",
    "D",
    onBoth(
      0.1,
      afterProbe(() => ({ kind: "hang" })),
    ),
    2,
  ),
  troubled(
    "alter what is read, where TLS does not prevent it",
    "D",
    onBoth(0.3, (next, { method, path }) =>
      method === "GET" && path.includes("/web1/")
        ? { kind: "flip", atByte: Math.floor(next() * 10) }
        : { kind: "pass" },
    ),
    1,
  ),
];

export const dNetwork: readonly Row[] = [
  {
    attacker: "D",
    tries: "read or alter traffic to an endpoint without TLS",
    gets: "refused, unless allowPlaintext: true",
    attempt: async (stand) => {
      await using field = await stand.field();
      const text = await readFile(field.moverConfig, "utf8");
      await writeFile(field.moverConfig, text.replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, "http://192.0.2.1:9"));
      const ran = await runMoverHere(field);
      const isRefused =
        ran.exit === 2 && ran.error?.code === "config-invalid" && ran.error.message.includes("https://");
      return isRefused ? "refused, unless allowPlaintext: true" : `exit ${ran.exit}: ${ran.error?.message}`;
    },
  },
  ...cuts,
];
