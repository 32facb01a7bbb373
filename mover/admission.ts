import { CODES, toAirlockError, type Code } from "../shared/errors.ts";
import { parseDropZoneName } from "../shared/names.ts";
import type { Timing } from "../shared/retry.ts";
import type { StoredVersion } from "../shared/stores.ts";
import { admitName, hostOf } from "./admit.ts";
import { idOf, UNKNOWN_HOST, type Backlog, type VersionId } from "./backlog.ts";
import type { HostPolicy } from "./config.ts";
import { QuotaGate, type Candidate } from "./quota-gate.ts";
import type { QuotaBook } from "./quota.ts";

/** Read whole, and then refused. */
const COST_ALL_BYTES: ReadonlySet<Code> = new Set(["digest-mismatch", "vault-mismatch"]);

export interface AdmissionOptions {
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  readonly quota: QuotaBook;
  readonly backlog: Backlog;
  readonly timing: Timing;
}

/** All that can be said of a version before anything is asked of the store: by name, by what became of it, by quota. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #gate: QuotaGate;
  /** Let in by an operator, until they have left or this process ends. */
  readonly #overrides = new Set<VersionId>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#gate = new QuotaGate(options.quota, options.timing);
  }

  /** Under which it is counted. */
  hostOf(version: StoredVersion): string {
    const host = hostOf(version.key);
    return this.#options.hosts.has(host) ? host : UNKNOWN_HOST;
  }

  /** What to do with a version that is there; as {@link Backlog.look}, with all of the reasons to hold it. */
  look(version: StoredVersion): ReturnType<Backlog["look"]> {
    const { backlog } = this.#options;
    const host = this.hostOf(version);
    const byName = this.#refusalByName(version);
    if (byName !== null) {
      backlog.refused(version, host, byName);
      return "held";
    }
    const verdict = backlog.look(version, host);
    if (verdict !== "start") return verdict;
    const reason = this.#refusalByQuota(version);
    if (reason === null) return "start";
    backlog.refused(version, host, reason);
    return "held";
  }

  /** Why it is held; null: it is not. */
  reasonOf(version: StoredVersion): Code | null {
    const { backlog } = this.#options;
    const id = idOf(version);
    if (backlog.isActive(id)) return null;
    return this.#refusalByName(version) ?? backlog.reasonOf(id, this.hostOf(version)) ?? this.#refusalByQuota(version);
  }

  begin(version: StoredVersion): { readonly seenAtMs: number; readonly override?: true } {
    this.#gate.begin(this.#candidateOf(version));
    const seenAtMs = this.#options.backlog.begin(version, this.hostOf(version));
    return this.#overrides.has(idOf(version)) ? { seenAtMs, override: true } : { seenAtMs };
  }

  left(version: StoredVersion): void {
    this.#overrides.delete(idOf(version));
    this.#gate.end(idOf(version));
    this.#options.backlog.left(version, this.hostOf(version));
  }

  failed(version: StoredVersion, code: Code): void {
    this.#gate.end(idOf(version));
    if (CODES[code].reaction === "hold") this.#overrides.delete(idOf(version)); // not even an operator's word helps
    if (COST_ALL_BYTES.has(code)) this.#gate.refused(this.hostOf(version), version.sizeBytes);
  }

  /** The next look starts it, whatever is said against it. */
  override(version: StoredVersion): void {
    this.#overrides.add(idOf(version));
    this.#options.backlog.forget(idOf(version), this.hostOf(version));
  }

  endPass(): void {
    this.#gate.endPass();
  }

  #refusalByName(version: StoredVersion): Code | null {
    if (this.#overrides.has(idOf(version))) return null;
    try {
      admitName(version, this.#options.hosts);
      return null;
    } catch (thrown) {
      const error = toAirlockError(thrown);
      if (CODES[error.code].reaction !== "hold") throw error;
      return error.code;
    }
  }

  #refusalByQuota(version: StoredVersion): Code | null {
    const policy = this.#options.hosts.get(hostOf(version.key));
    if (policy === undefined || this.#overrides.has(idOf(version))) return null;
    return this.#gate.judge(this.#candidateOf(version), policy);
  }

  #candidateOf(version: StoredVersion): Candidate {
    const host = this.hostOf(version);
    return {
      id: idOf(version),
      host,
      set: parseDropZoneName(version.key)?.set ?? null,
      sizeBytes: version.sizeBytes,
      sinceMs: version.lastModified.getTime(),
      wasRefused: this.#options.backlog.reasonOf(idOf(version), host) !== null,
    };
  }
}
