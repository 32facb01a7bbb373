/**
 * Whether an object is unlike those that its set had before. A fold over the ledger's entries. The mover cannot look
 * into what is encrypted; it sees sizes, and that a host left compression out of the encoding, which the uploader does
 * where compressing gains nothing: so do data that somebody else encrypted.
 */
import { z } from "zod";
import type { EncodingStep } from "../shared/statement.ts";
import type { Finding } from "./findings.ts";

const REMEMBERED = 10;
/** Before that nothing can be said of what is usual. */
const MIN_REMEMBERED = 4;
/** Per host; a set that was quiet longest is forgotten. */
const MAX_SETS = 256;

const sampleSchema = z.strictObject({ sizeBytes: z.number(), isCompressed: z.boolean().nullable() });
export const anomalySchema = z.array(
  z.strictObject({ host: z.string(), set: z.string(), newest: z.array(sampleSchema).max(REMEMBERED) }),
);

type Sample = z.infer<typeof sampleSchema>;

export interface Backup {
  readonly host: string;
  readonly set: string;
  readonly sizeBytes: number;
  /** null where nobody signed what was done to the bytes. */
  readonly encoding: readonly EncodingStep[] | null;
}

export class Anomalies {
  readonly #hosts = new Map<string, Map<string, Sample[]>>();

  see({ host, set, sizeBytes, encoding }: Backup): readonly Finding[] {
    const sets = this.#hosts.get(host) ?? new Map<string, Sample[]>();
    this.#hosts.set(host, sets);
    const before = sets.get(set) ?? [];
    const isCompressed = encoding === null ? null : encoding.includes("zstd");
    const findings = compare(before, { sizeBytes, isCompressed });
    sets.delete(set);
    sets.set(set, [...before, { sizeBytes, isCompressed }].slice(-REMEMBERED));
    const [quietest] = sets.keys();
    if (sets.size > MAX_SETS && quietest !== undefined) sets.delete(quietest);
    return findings.map((finding) => ({ ...finding, set }));
  }

  toState(): z.infer<typeof anomalySchema> {
    return Array.from(this.#hosts, ([host, sets]) =>
      Array.from(sets, ([set, newest]) => ({ host, set, newest })),
    ).flat();
  }

  restore(state: z.infer<typeof anomalySchema>): void {
    this.#hosts.clear();
    for (const { host, set, newest } of state) {
      const sets = this.#hosts.get(host) ?? new Map<string, Sample[]>();
      this.#hosts.set(host, sets.set(set, newest));
    }
  }
}

function compare(before: readonly Sample[], { sizeBytes, isCompressed }: Sample): readonly Finding[] {
  if (before.length < MIN_REMEMBERED) return [];
  const findings: Finding[] = [];
  const usualBytes = medianOf(before.map((sample) => sample.sizeBytes));
  if (sizeBytes < usualBytes / 2 || sizeBytes > usualBytes * 4) {
    findings.push({ code: "size-anomaly", detail: `${sizeBytes} bytes, where ${usualBytes} are usual` });
  }
  if (isCompressed === false && before.every((sample) => sample.isCompressed === true)) {
    findings.push({ code: "compression-anomaly", detail: "not compressed, where all before it were" });
  }
  return findings;
}

/** The lower one of two in the middle. */
function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}
