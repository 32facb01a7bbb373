/** Tries every power with one key and judges what came of it. */
import { printable } from "../shared/printable.ts";
import type { AuditProbe } from "../shared/s3/audit-probe.ts";
import type { QueueProbe } from "../shared/s3/event-queue.ts";
import type { Attempt } from "../shared/s3/key-probe.ts";
import type { Leftover } from "../shared/s3/leftovers.ts";
import type { Intended } from "./audit-options.ts";
import { governing, marking, removing } from "./audit-changing.ts";
import { creating, uploading } from "./audit-creating.ts";
import type { Power } from "./audit-power.ts";
import { reading } from "./audit-reading.ts";
import { setScene, type Scene } from "./audit-scene.ts";

/** `not-enforced`: possible, although the key has no right to it. */
export type Outcome = "possible" | "denied" | "not-enforced" | "unknown";

export interface Row {
  readonly id: string;
  readonly power: string;
  readonly expected: Power["expected"];
  readonly outcome: Outcome;
  /** `tolerated`: more than expected, and without harm as the bucket is. */
  readonly verdict: "ok" | "excess" | "tolerated" | "lacking" | "unknown";
  readonly actions: readonly string[];
  readonly detail: string;
  readonly remedy: string | null;
}

export interface Audit {
  readonly rows: readonly Row[];
  readonly leftovers: readonly Leftover[];
}

/** What removes the audit's own object comes last. */
function powersOf(scene: Scene): readonly Power[] {
  return [creating, uploading, reading, marking, governing, removing].flatMap((group) => group(scene));
}

/** Removing what the audit made has its own time: it is done also when the audit was interrupted. */
const TIDY_TIMEOUT_MS = 60_000;

export async function auditKey(
  probe: AuditProbe,
  queue: QueueProbe | null,
  intended: Intended,
  signal: AbortSignal,
): Promise<Audit> {
  let leftovers: readonly Leftover[] = [];
  const tried: { power: Power; attempt: Attempt }[] = [];
  let scene: Scene;
  try {
    scene = await setScene(probe, intended, signal);
    for (const power of [...powersOf(scene), ...(queue === null ? [] : queuePowers(queue, intended))]) {
      signal.throwIfAborted();
      tried.push({ power, attempt: await power.attempt(probe, signal) });
    }
  } finally {
    leftovers = await probe.tidy(AbortSignal.timeout(TIDY_TIMEOUT_MS));
  }
  const denied = new Set(tried.filter(({ attempt }) => isDenied(attempt)).map(({ power }) => power.id));
  const { versioned } = scene;
  return { rows: tried.map(({ power, attempt }) => judge(power, attempt, { denied, versioned, intended })), leftovers };
}

/** Nothing is removed from the queue, and what is received shows at once again. */
function queuePowers(queue: QueueProbe, { role }: Intended): Power[] {
  const expected = role === "mover-drop-zone" ? "allowed" : "denied";
  return [
    {
      id: "queue-receive",
      power: "receive events from the queue",
      expected,
      actions: ["sqs:ReceiveMessage"],
      attempt: (_, signal) => queue.receive(signal),
    },
    {
      id: "queue-delete",
      power: "delete events from the queue",
      expected,
      actions: ["sqs:DeleteMessage"],
      attempt: (_, signal) => queue.remove(signal),
    },
    {
      id: "queue-extend",
      power: "keep events of the queue hidden",
      expected,
      actions: ["sqs:ChangeMessageVisibility"],
      attempt: (_, signal) => queue.extend(signal),
    },
  ];
}

interface Known {
  /** The ids of what is denied. */
  readonly denied: ReadonlySet<string>;
  readonly versioned: boolean;
  readonly intended: Intended;
}

/** How a store says that it has no such request for anybody: nobody has the power. */
const ABSENT: ReadonlySet<string> = new Set(["NotImplemented", "MethodNotAllowed"]);

function isDenied({ verdict, s3Code }: Attempt): boolean {
  return verdict === "denied" || ABSENT.has(s3Code ?? "");
}

function judge(power: Power, attempt: Attempt, known: Known): Row {
  const { id, expected, actions } = power;
  const outcome = outcomeOf(power, attempt, known);
  const verdict = verdictOf(power, outcome, known);
  return {
    id,
    power: power.power,
    expected,
    outcome,
    verdict,
    actions,
    detail: printable(attempt.detail),
    remedy: verdict === "ok" || verdict === "unknown" ? null : remedyOf(power, verdict, outcome, known),
  };
}

function outcomeOf({ impliedBy, expected }: Power, attempt: Attempt, { denied }: Known): Outcome {
  if (isDenied(attempt)) return "denied";
  if (attempt.verdict !== "allowed") return "unknown";
  const isUnenforced =
    expected === "denied" && impliedBy !== undefined && (impliedBy === "always" || denied.has(impliedBy));
  return isUnenforced ? "not-enforced" : "possible";
}

/** What a host may overwrite is there twice, and the first still reaches the vault. */
const HARMLESS_WITH_VERSIONS: ReadonlySet<string> = new Set(["overwrite", "create-again"]);

function verdictOf({ id, expected }: Power, outcome: Outcome, { versioned, intended }: Known): Row["verdict"] {
  if (outcome === "unknown") return "unknown";
  // the mover then deletes one by one
  if (id === "delete-batch" && expected === "allowed" && outcome === "denied") return "tolerated";
  if (expected === "allowed") return outcome === "denied" ? "lacking" : "ok";
  if (outcome === "denied") return "ok";
  const isHarmless = HARMLESS_WITH_VERSIONS.has(id) && versioned && intended.host !== null;
  return isHarmless ? "tolerated" : "excess";
}

function remedyOf(
  { id, remedy, ifUnenforced }: Power,
  verdict: Row["verdict"],
  outcome: Outcome,
  { intended }: Known,
): string {
  const file = `deploy/iam/${policyFileOf(intended)}`;
  if (verdict === "lacking") return `give this key its role's policy: ${file}`;
  if (verdict === "tolerated") {
    return id === "delete-batch"
      ? "nothing has to be done: the mover deletes one by one"
      : "nothing has to be done: the bucket keeps versions, and the first reaches the vault";
  }
  return (
    (outcome === "not-enforced" ? ifUnenforced : remedy) ??
    `give this key the policy ${file} and no other, and look for a bucket policy, group or ACL that allows more`
  );
}

function policyFileOf({ role, foreign, readback }: Intended): string {
  if (role === "host" && foreign) return "host-foreign.json";
  return role === "mover-vault" && readback ? "mover-vault-readback.json" : `${role}.json`;
}
