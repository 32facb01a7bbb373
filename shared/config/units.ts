import { z } from "zod";

const MS_PER = new Map([
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]);

/** Largest first within each family, so that the first that divides is the shortest way to write a size. */
const BYTES_PER = new Map([
  ["PiB", 2 ** 50],
  ["TiB", 2 ** 40],
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
  ["PB", 1e15],
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
  ["B", 1],
]);

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `26h`, `200ms`, `7d` → milliseconds; null for anything else, a number without a unit included. */
export function parseDuration(text: string): number | null {
  return parseQuantity(text, MS_PER);
}

/** `20MiB`, `50GB`, `1024B` → bytes; null for anything else, a number without a unit included. */
export function parseSize(text: string): number | null {
  return parseQuantity(text, BYTES_PER);
}

function parseQuantity(text: string, units: ReadonlyMap<string, number>): number | null {
  const match = /^(\d{1,16})([A-Za-z]{1,3})$/.exec(text);
  const unit = units.get(match?.[2] ?? "");
  if (match === null || unit === undefined) return null;
  const amount = Number(match[1]) * unit;
  return Number.isSafeInteger(amount) ? amount : null;
}

/** As a configuration writes it, exactly: `parseDuration(writeDuration(ms)) === ms`. */
export function writeDuration(ms: number): string {
  return writeQuantity(ms, MS_PER, "s");
}

/** As a configuration writes it, exactly: `parseSize(writeSize(bytes)) === bytes`. */
export function writeSize(bytes: number): string {
  return writeQuantity(bytes, BYTES_PER, "B");
}

function writeQuantity(amount: number, units: ReadonlyMap<string, number>, unitOfZero: string): string {
  if (!Number.isSafeInteger(amount) || amount < 0) throw new RangeError(`not a whole, positive amount: ${amount}`);
  if (amount === 0) return `0${unitOfZero}`;
  for (const [unit, factor] of units) if (amount % factor === 0) return `${amount / factor}${unit}`;
  throw new RangeError("every whole amount has a unit");
}

/** For people: `0 B`, `999 B`, `1.0 KiB`, `70.0 MiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let step = 0;
  // what would be printed as 1024.0 is the next unit's 1.0
  while (amount >= (step === 0 ? 1024 : 1023.95) && step < BINARY.length - 1) {
    amount /= 1024;
    step += 1;
  }
  return `${step === 0 ? Math.round(amount) : amount.toFixed(1)} ${BINARY[step] ?? ""}`;
}

/** For people, in at most two units: `812ms`, `4.2s`, `1m 12s`, `26h`, `3d 4h`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (Math.round(ms) < 1000) return `${Math.round(ms)}ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return pair(seconds, 60, "m", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return pair(minutes, 60, "h", "m");
  return pair(Math.round(minutes / 60), 24, "d", "h");
}

function pair(amount: number, base: number, large: string, small: string): string {
  const rest = amount % base;
  return rest === 0 ? `${amount / base}${large}` : `${Math.floor(amount / base)}${large} ${rest}${small}`;
}

export interface Bounds {
  readonly min?: string;
  readonly max?: string;
}

/** A duration with its unit, in milliseconds once parsed. Bounds are written as a configuration writes them. */
export function durationSchema(bounds: Bounds = {}): z.ZodType<number, string> {
  return quantitySchema("a duration with its unit, such as 26h, 30s or 200ms", parseDuration, bounds);
}

/** A size with its unit, in bytes once parsed. */
export function sizeSchema(bounds: Bounds = {}): z.ZodType<number, string> {
  return quantitySchema("a size with its unit, such as 20MiB or 50GB", parseSize, bounds);
}

function quantitySchema(
  expected: string,
  parse: (text: string) => number | null,
  bounds: Bounds,
): z.ZodType<number, string> {
  const { min, max } = bounds;
  const minimum = min === undefined ? 0 : (parse(min) ?? Number.NaN);
  const maximum = max === undefined ? Number.MAX_SAFE_INTEGER : (parse(max) ?? Number.NaN);
  if (!(minimum <= maximum)) throw new RangeError(`no bounds: ${min} to ${max}`);
  const between = [min === undefined ? "" : `at least ${min}`, max === undefined ? "" : `at most ${max}`];
  const limits = between.filter((limit) => limit !== "").join(" and ");
  const message = limits === "" ? expected : `${expected}; ${limits}`;
  return z.string({ error: message }).transform((text, context) => {
    const amount = parse(text);
    if (amount !== null && amount >= minimum && amount <= maximum) return amount;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}
