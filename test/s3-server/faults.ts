/**
 * Faults by rule. A rule matches requests by operation, bucket, key and principal, from its `nth` match on, `times`
 * times. "before" means: everything about the request was checked (and its body received, for a write) but nothing
 * happened yet; "after": the effect is there and the client hasn't been told.
 */
import type { OperationName } from "./operations.ts";

export type FaultTime = "before" | "after";

export type FaultKind =
  /** An S3 error. */
  | {
      readonly kind: "error";
      readonly when: FaultTime;
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  | { readonly kind: "delay"; readonly when: FaultTime; readonly ms: number }
  /** The connection is reset (RST). */
  | { readonly kind: "reset"; readonly when: FaultTime }
  | { readonly kind: "reset-response"; readonly atByte: number }
  | { readonly kind: "reset-request"; readonly atByte: number }
  /** The response's body ends early, in an orderly way, though its content-length was full. */
  | { readonly kind: "truncate"; readonly atByte: number }
  /** One byte of the response's body is inverted. */
  | { readonly kind: "flip"; readonly atByte: number }
  /** Response headers replaced, or removed with null: wrong checksums, sizes, ETags … */
  | { readonly kind: "headers"; readonly headers: Readonly<Record<string, string | null>> }
  /** Another response altogether; "before" prevents the effect. `body` may be endless. */
  | {
      readonly kind: "replace";
      readonly when: FaultTime;
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array | ((request: FaultRequest) => string | AsyncIterable<Uint8Array>);
    }
  /** No answer until the client goes away. */
  | { readonly kind: "hang"; readonly when: FaultTime }
  | { readonly kind: "hook"; readonly when: FaultTime; readonly run: (request: FaultRequest) => Promise<void> | void };

export interface FaultRule {
  readonly operation?: OperationName | readonly OperationName[];
  readonly bucket?: string | RegExp;
  readonly key?: string | RegExp;
  /** ARN of the caller, e.g. /:user\/mover$/. */
  readonly principal?: string | RegExp;
  /** The first match that fails, counted from 1. */
  readonly nth?: number;
  /** How many matches fail from there on; without it, all. */
  readonly times?: number;
  readonly fault: FaultKind;
}

/** What a rule is matched against and a hook is told. */
export interface FaultRequest {
  readonly operation: OperationName;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly principal: string;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: ReadonlyMap<string, string>;
}

export interface Fault {
  /** How often it fired. */
  readonly fired: number;
  /** Resolves at its next firing. */
  nextFiring(): Promise<FaultRequest>;
  remove(): void;
}

export interface Faults {
  add(rule: FaultRule): Fault;
  clear(): void;
}

export interface FaultSet extends Faults {
  /** The faults that this request meets; counts it as a match of each rule. */
  match(request: FaultRequest): readonly FaultKind[];
}

interface Armed {
  readonly rule: FaultRule;
  matches: number;
  fired: number;
  waiters: ((request: FaultRequest) => void)[];
}

export function createFaults(): FaultSet {
  const armed = new Set<Armed>();
  return {
    add: (rule) => {
      const item: Armed = { rule, matches: 0, fired: 0, waiters: [] };
      armed.add(item);
      return {
        get fired() {
          return item.fired;
        },
        nextFiring: () => new Promise((resolve) => item.waiters.push(resolve)),
        remove: () => void armed.delete(item),
      };
    },
    clear: () => armed.clear(),
    match: (request) => {
      const found: FaultKind[] = [];
      for (const item of armed) if (fires(item, request)) found.push(item.rule.fault);
      return found;
    },
  };
}

function fires(item: Armed, request: FaultRequest): boolean {
  const { operation, bucket, key, principal, nth = 1, times = Infinity } = item.rule;
  const operations = operation === undefined || typeof operation === "string" ? operation && [operation] : operation;
  const isMatch =
    (!operations || operations.includes(request.operation)) &&
    matches(bucket, request.bucket) &&
    matches(key, request.key) &&
    matches(principal, request.principal);
  if (!isMatch) return false;
  item.matches++;
  if (item.matches < nth || item.fired >= times) return false;
  item.fired++;
  for (const resolve of item.waiters.splice(0)) resolve(request);
  return true;
}

function matches(expected: string | RegExp | undefined, actual: string | undefined): boolean {
  if (expected === undefined) return true;
  if (actual === undefined) return false;
  return typeof expected === "string" ? expected === actual : actual.search(expected) !== -1;
}
