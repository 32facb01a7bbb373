/** What somebody should hear of. Delivery is behind one narrow interface; raising never waits and never fails. */
import type { Holds, NewEntry } from "../shared/ledger.ts";
import type { Log } from "../shared/log.ts";
import { hostOf } from "./admit.ts";
import { isMoverFinding, type MoverFinding } from "./findings.ts";

/** Findings that are only bookkeeping are recorded and nobody is told. */
export type AlertKind = "held" | "halted" | Exclude<MoverFinding, Quiet>;
type Quiet = "expecting" | "statement-removed";

export interface Alert {
  readonly kind: AlertKind;
  /** ISO 8601, by the mover's clock. */
  readonly at: string;
  /** `*` for hosts that are not configured. */
  readonly host: string;
  readonly set: string | null;
  /** One line; may hold what a host chose. */
  readonly detail: string;
}

export interface Alerts {
  raise(alert: Alert): void;
}

/** The least that an alert does. */
export function logAlerts(log: Log): Alerts {
  return {
    raise: ({ kind, host, set, detail }) => {
      if (kind === "recovered") log.info("alert", { kind, host, set, detail });
      else log.warn("alert", { kind, host, set, detail });
    },
  };
}

/** What an entry's findings are to be told as: one alert for each kind, host and set, however many there are. */
export function alertsOf(entry: NewEntry): readonly Alert[] {
  const own = entry.statement?.host ?? hostOf(entry.source?.key ?? "");
  const alerts = new Map<string, { readonly alert: Alert; count: number }>();
  for (const { code, host = own, set = entry.statement?.set ?? null, detail = "", epoch, seq } of entry.findings) {
    if (!isMoverFinding(code) || code === "expecting" || code === "statement-removed") continue;
    const id = JSON.stringify([code, host, set]);
    const known = alerts.get(id);
    if (known !== undefined) known.count++;
    const where = epoch === undefined || seq === undefined ? "" : ` (epoch ${epoch}, number ${seq})`;
    if (known === undefined)
      alerts.set(id, { alert: { kind: code, at: entry.at, host, set, detail: `${detail}${where}` }, count: 1 });
  }
  return Array.from(alerts.values(), ({ alert, count }) =>
    count === 1 ? alert : { ...alert, detail: `${alert.detail}; and ${count - 1} more` },
  );
}

/** Of each host's reasons that there were none of in any of `before`. */
export function holdAlerts(before: readonly Holds[], now: Holds, atMs: number): readonly Alert[] {
  const known = before.map((holds) => new Map(Object.entries(holds)));
  return Object.entries(now).flatMap(([host, reasons]) => {
    const knownReasons = new Set(known.flatMap((holds) => Object.keys(holds.get(host) ?? {})));
    const added = Object.entries(reasons).filter(([reason]) => !knownReasons.has(reason));
    const at = new Date(atMs).toISOString();
    return added.map(([reason, count]) => ({
      kind: "held" as const,
      at,
      host,
      set: null,
      detail: `${reason}: ${count}`,
    }));
  });
}
