/** The mover's figures in Prometheus' text format. Names and labels are documented in `docs/operations.md`. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Code } from "../shared/errors.ts";
import type { RequestOutcome } from "../shared/stores.ts";
import { VERSION } from "../shared/version.ts";
import type { HostPolicy } from "./config.ts";
import type { Moved } from "./move.ts";
import type { Status } from "./status.ts";

/** Sets that a host uses beside those that are expected of it; what comes on top is counted together, as `*`. */
const MAX_OTHER_SETS = 50;
const OTHERS = "*";
const EXPOSURE_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 604_800];

type Requests = Readonly<Record<RequestOutcome, number>>;

/** What is known beside the status. */
export interface Surrounding {
  /** How far each store's clock is ahead. */
  readonly clockOffsetMs: { readonly dropZone: number; readonly vault: number };
  readonly requests: { readonly dropZone: Requests; readonly vault: Requests };
  /** In the drop-zone, over a day old. */
  readonly staleUploads: number;
  readonly memoryLimitBytes: number;
  /** null where the system does not say. */
  readonly residentBytes: number | null;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #hosts: ReadonlyMap<string, HostPolicy>;
  /** The sets that have a line of their own, by host. */
  readonly #sets = new Map<string, Set<string>>();
  readonly #objects = this.#counter("objects_total", "Objects moved since the start", ["host", "set"]);
  readonly #bytes = this.#counter("bytes_total", "Bytes moved since the start", ["host", "set"]);
  readonly #errors = this.#counter("errors_total", "Errors logged since the start, by code", ["code"]);
  readonly #requests = this.#counter(
    "store_requests_total",
    "Attempts at requests since the start, by how they ended",
    ["store", "outcome"],
  );
  readonly #lastSuccess = this.#gauge(
    "last_success_timestamp_seconds",
    "When the newest object was complete; 0: never",
    ["host", "set"],
  );
  readonly #exposure = new Histogram({
    name: "airlock_exposure_seconds",
    help: "From an object's completion in the drop-zone to its removal from there",
    buckets: EXPOSURE_SECONDS,
    registers: [this.#registry],
  });
  readonly #overdue = this.#gauge("overdue", "1 when a set did not come in time", ["host", "set"]);
  readonly #held = this.#gauge("held_objects", "Objects held in the drop-zone, by reason", ["host", "reason"]);
  readonly #info = this.#gauge("mover_info", "Always 1", ["mover", "version"]);
  readonly #plain = new Map<string, Gauge>();

  /** `hosts` may change while this lives. */
  constructor(hosts: ReadonlyMap<string, HostPolicy>) {
    this.#hosts = hosts;
  }

  observe(moved: Moved, exposureMs: number): void {
    const labels = this.#labelsOf(moved);
    this.#objects.inc(labels);
    this.#bytes.inc(labels, moved.version.sizeBytes);
    this.#exposure.observe(exposureMs / 1000);
    // of what is expected, the status knows which objects count
    if (moved.disposition === "duplicate" || this.#hosts.get(labels.host)?.expect.has(labels.set) === true) return;
    this.#lastSuccess.set(labels, moved.completedAtMs / 1000);
  }

  countError(code: Code): void {
    this.#errors.inc({ code });
  }

  render(status: Status, around: Surrounding): Promise<string> {
    this.#info.reset();
    this.#info.set({ mover: status.mover, version: VERSION }, 1);
    this.#held.reset();
    for (const [host, reasons] of Object.entries(status.holds)) {
      for (const [reason, count] of Object.entries(reasons)) this.#held.set({ host, reason }, count);
    }
    this.#requests.reset();
    for (const [store, requests] of [
      ["drop-zone", around.requests.dropZone],
      ["vault", around.requests.vault],
    ] as const) {
      for (const [outcome, count] of Object.entries(requests)) this.#requests.inc({ store, outcome }, count);
    }
    this.#overdue.reset();
    for (const { host, set, lastAt, overdue } of status.freshness) {
      this.#overdue.set({ host, set }, overdue ? 1 : 0);
      this.#lastSuccess.set({ host, set }, lastAt === null ? 0 : secondsOf(lastAt));
    }
    this.#set("start_time_seconds", "When this process started", secondsOf(status.startedAt));
    this.#set("status_timestamp_seconds", "When these figures were taken", secondsOf(status.updatedAt));
    if (status.lastSweepAt !== null) {
      this.#set("last_sweep_timestamp_seconds", "When the drop-zone was last listed", secondsOf(status.lastSweepAt));
    }
    this.#set("moves_under_way", "Objects that are being moved", status.underWay);
    this.#set("backlog_waiting", "Objects that wait for their turn", status.backlog.waiting);
    this.#set("backlog_to_retry", "Objects whose last try failed", status.backlog.toRetry);
    this.#set(
      "backlog_unlisted",
      "1 while the drop-zone holds more than one sweep shows",
      status.backlog.wholeSeen ? 0 : 1,
    );
    this.#set("ledger_segment", "The newest segment of the ledger", status.ledger.segment);
    this.#set("ledger_entries", "Entries in the ledger", status.ledger.index);
    this.#set("memory_used_bytes", "Reserved by moves under way", status.memoryUsedBytes);
    this.#set("memory_limit_bytes", "The configured `memory`", around.memoryLimitBytes);
    if (around.residentBytes !== null) {
      this.#set("resident_memory_bytes", "The process's resident memory", around.residentBytes);
    }
    this.#set("drop_zone_clock_offset_seconds", "How far its clock is ahead", around.clockOffsetMs.dropZone / 1000);
    this.#set("vault_clock_offset_seconds", "How far its clock is ahead", around.clockOffsetMs.vault / 1000);
    this.#set("stale_uploads", "Unfinished uploads in the drop-zone, begun over a day ago", around.staleUploads);
    return this.#registry.metrics();
  }

  /** Bounded, whatever names hosts give their sets. */
  #labelsOf({ host, set }: Moved): { host: string; set: string } {
    const policy = this.#hosts.get(host);
    if (policy === undefined) return { host: OTHERS, set: OTHERS };
    if (set === null) return { host, set: "" };
    if (policy.expect.has(set)) return { host, set };
    const known = this.#sets.get(host) ?? new Set<string>();
    this.#sets.set(host, known);
    if (known.size < MAX_OTHER_SETS) known.add(set);
    return { host, set: known.has(set) ? set : OTHERS };
  }

  #set(name: string, help: string, value: number): void {
    const gauge = this.#plain.get(name) ?? this.#gauge(name, help, []);
    this.#plain.set(name, gauge);
    gauge.set(value);
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `airlock_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name: `airlock_${name}`, help, labelNames, registers: [this.#registry] });
  }
}

function secondsOf(time: string): number {
  return Date.parse(time) / 1000;
}
