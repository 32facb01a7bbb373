/**
 * What operators see without reaching the mover: the status file, metrics, a heartbeat, webhooks, systemd's status. It
 * may fail in every part, and nothing that is moved notices.
 */
import { readFile } from "node:fs/promises";
import type { Courier } from "../shared/courier.ts";
import { toAirlockError, type Code } from "../shared/errors.ts";
import { replaceFile } from "../shared/files.ts";
import type { Log } from "../shared/log.ts";
import type { Timing } from "../shared/retry.ts";
import { logAlerts, type Alert, type Alerts } from "./alerts.ts";
import type { AlertsConfig, HostPolicy } from "./config.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Metrics, type Surrounding } from "./metrics.ts";
import type { Moved } from "./move.ts";
import type { ServiceManager } from "./service-manager.ts";
import { statusFile, type Status } from "./status.ts";
import { Webhook } from "./webhooks.ts";

const METRICS_INTERVAL_MS = 15_000;

export interface ViewOptions {
  readonly mover: string;
  /** A folder. */
  readonly state: string;
  /** May change while this lives. */
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly courier: Courier;
  readonly serviceManager: ServiceManager;
  readonly around: () => Omit<Surrounding, "residentBytes">;
  readonly timing: Timing;
  readonly log: Log;
  /** Aborted: what is not told by now is not told. */
  readonly abort: AbortSignal;
}

/** What of the configuration this acts on. */
export interface ViewConfig {
  readonly alerts: AlertsConfig | null;
  readonly metrics: { readonly textfile: string } | null;
}

export class OperatorsView implements Alerts {
  /** The caller's, with every error counted. */
  readonly log: Log;
  readonly #options: ViewOptions;
  readonly #metrics: Metrics;
  readonly #webhooks = new Map<string, Webhook>();
  #heartbeat: { readonly address: string; readonly beats: Heartbeat } | null = null;
  readonly #closing = new Set<Promise<void>>();
  #textfile: string | null = null;
  #metricsAtMs = -Infinity;
  #metricsFailure: Code | null = null;
  #last: Status | null = null;

  constructor(options: ViewOptions, config: ViewConfig) {
    this.#metrics = new Metrics(options.hosts);
    this.log = countErrors(options.log, this.#metrics);
    this.#options = { ...options, log: this.log };
    this.configure(config);
  }

  /** At the start, and again at each reload. What stays the same goes on undisturbed. */
  configure({ alerts, metrics }: ViewConfig): void {
    const { courier, timing, mover } = this.#options;
    const addresses = new Set(alerts?.webhook);
    for (const [address, webhook] of this.#webhooks) {
      if (addresses.has(address)) continue;
      this.#webhooks.delete(address);
      this.#close(webhook);
    }
    for (const address of addresses) {
      if (this.#webhooks.has(address)) continue;
      this.#webhooks.set(address, new Webhook(address, { mover, courier, timing, log: this.log }));
    }
    const address = alerts?.heartbeat ?? null;
    if (address !== (this.#heartbeat?.address ?? null)) {
      if (this.#heartbeat !== null) this.#close(this.#heartbeat.beats);
      this.#heartbeat =
        address === null ? null : { address, beats: new Heartbeat(address, { courier, timing, log: this.log }) };
    }
    this.#textfile = metrics?.textfile ?? null;
    this.#metricsAtMs = -Infinity;
  }

  raise(alert: Alert): void {
    logAlerts(this.log).raise(alert);
    for (const webhook of this.#webhooks.values()) webhook.raise(alert);
  }

  observe(moved: Moved, exposureMs: number): void {
    this.#metrics.observe(moved, exposureMs);
  }

  /** About once a second. @throws what keeps the status file from being written */
  async publish(status: Status): Promise<void> {
    const { state, timing, serviceManager } = this.#options;
    this.#last = status;
    const nowMs = timing.now();
    this.#heartbeat?.beats.see(status);
    serviceManager.alive(summarise(status), nowMs);
    if (Math.abs(nowMs - this.#metricsAtMs) >= METRICS_INTERVAL_MS) {
      this.#metricsAtMs = nowMs;
      await this.#writeMetrics(status);
    }
    await replaceFile(statusFile(state), `${JSON.stringify(status)}\n`, { mode: 0o640 });
  }

  /** Writes the last figures, and delivers what is still to be told, for some seconds at most. */
  async close(): Promise<void> {
    if (this.#last !== null) await this.#writeMetrics(this.#last);
    this.configure({ alerts: null, metrics: null });
    await Promise.all(this.#closing);
  }

  #close(part: { close(signal: AbortSignal): Promise<void> }): void {
    const closed = part.close(this.#options.abort).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  async #writeMetrics(status: Status): Promise<void> {
    if (this.#textfile === null) return;
    try {
      const around = { ...this.#options.around(), residentBytes: await readResidentBytes() };
      // node_exporter is another user's
      await replaceFile(this.#textfile, await this.#metrics.render(status, around), { mode: 0o644 });
      this.#metricsFailure = null;
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (this.#metricsFailure !== error.code) this.log.failure("metrics-failed", error);
      this.#metricsFailure = error.code;
    }
  }
}

function countErrors(log: Log, metrics: Metrics): Log {
  return {
    ...log,
    failure: (event, error, fields) => {
      metrics.countError(error.code);
      log.failure(event, error, fields);
    },
  };
}

/** A line for `systemctl status`. No name that a host chose is in it. */
function summarise({ objects, underWay, holds, ledger }: Status): string {
  const held = Object.values(holds).flatMap((reasons) => Object.values(reasons));
  const heldCount = held.reduce((sum, count) => sum + count, 0);
  return `${objects} objects moved, ${underWay} under way, ${heldCount} held; ledger at segment ${ledger.segment}`;
}

/** Linux says; elsewhere nobody does. */
async function readResidentBytes(): Promise<number | null> {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  } catch {
    return null;
  }
}
