/** What must never happen, watched at the moment at which it would take effect. */
import type { HostPolicy } from "../../../mover/config.ts";
import { extendChain, verifySegment, type ChainHead, type Entry, type Segment } from "../../../shared/ledger.ts";
import { objectOfStatement, parseDropZoneName, vaultNameOf } from "../../../shared/names.ts";
import { statementDigest } from "../../../shared/statement.ts";
import type { ObjectAttributes, StoredVersion } from "../../../shared/stores.ts";
import { signingKeyOf, type Book } from "./book.ts";
import { DROP_ZONE } from "./stores.ts";
import { sourceIdOf, type Vault, type VaultWatcher } from "./vault.ts";
import { digestOf, type Zone, type ZoneVersion } from "./zone.ts";

export const MOVER = "mover-a";
const KEPT_METADATA = new Set(["airlock", "from"]);

export interface Watched {
  readonly zone: Zone;
  readonly book: Book;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  /** Whether somebody else than the mover changes or misrepresents what the drop-zone holds. */
  readonly isAccountTaken: boolean;
}

export class Inspector implements VaultWatcher {
  readonly violations: string[] = [];
  readonly #watched: Watched;
  /** By the vault name that each must have: all that the mover was ever shown. */
  readonly #shown = new Map<string, StoredVersion>();
  readonly #seen = new WeakSet<StoredVersion>();
  #head: ChainHead | null = null;
  #vault: Vault | null = null;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  watch(vault: Vault): void {
    this.#vault = vault;
  }

  violate(what: string): void {
    if (this.violations.length < 20) this.violations.push(what);
  }

  shown(version: StoredVersion): void {
    if (this.#seen.has(version)) return;
    this.#seen.add(version);
    this.#shown.set(vaultNameOf({ bucket: DROP_ZONE, ...version }), version);
  }

  /** No vault name before its bytes are proven; one source, one name. */
  willCreate(name: string, bytes: Uint8Array, attributes: ObjectAttributes): void {
    const source = this.#shown.get(name);
    if (source === undefined) return this.violate(`${name} is no source's name`);
    if (this.#isProvable(source.key) && !this.#watched.book.isSigned(source.key, digestOf(bytes)))
      this.violate(`${name} comes into being with bytes that no key of its host signed for ${source.key}`);
    for (const key of attributes.metadata.keys()) {
      if (!KEPT_METADATA.has(key)) this.violate(`${name} gets metadata ${key} that nobody sent`);
    }
  }

  /** The chain goes on, and every entry is true when it is written. */
  willRecord(segment: Segment): void {
    const { violations } = this;
    if (verifySegment(segment, [signingKeyOf(MOVER).public]) === null)
      violations.push(`segment ${segment.header.segment} is not signed by the mover`);
    try {
      this.#head = extendChain(this.#head, segment);
    } catch (error) {
      this.violate(String(error));
    }
    for (const entry of segment.entries) this.#checkEntry(entry);
  }

  #checkEntry(entry: Entry): void {
    const { source, vault, sha256, statement, signature, disposition } = entry;
    if (disposition !== "archived" && disposition !== "already-archived" && disposition !== "duplicate") return;
    const fail = (what: string): void => this.violate(`entry ${entry.index} for ${source?.key}: ${what}`);
    if (source === null || vault === null || sha256 === null) return fail("archived, and does not say what");
    const object = this.#vault?.objects.get(vault.name);
    if (object === undefined) return fail(`${vault.name} does not exist`);
    if (digestOf(object.bytes) !== sha256) fail(`${vault.name} has other bytes`);
    if (object.bytes.length !== source.size) fail(`${vault.name} has another size`);
    if (vault.versionId !== null && vault.versionId !== object.versionId) fail(`${vault.versionId} is not its version`);
    const lastModified = new Date(source.lastModified);
    if (vault.name !== vaultNameOf({ ...source, lastModified })) fail(`${vault.name} is not its name`);
    if (!this.#isProvable(source.key)) return;
    if (statement === null || signature === null) return fail("it has no statement");
    const signer = this.#watched.book.signerOf({ statement, signature }, source.key, source.size, lastModified);
    if (signer === null || signer.id !== entry.hostKey) fail("the key that it names did not sign its statement");
    if (statement.sha256 !== sha256) fail("its statement has another digest");
    const isKnown = this.#vault?.statements.has(`${statementDigest(statement)} ${source.key}`) === true;
    // where one number has two statements, it is told from either
    if (isKnown && disposition === "archived" && entry.findings.length === 0)
      fail("archived a second time, and not as a duplicate");
  }

  /** Nothing is released before it is recorded, and a statement not before its object. */
  willDelete(version: ZoneVersion): void {
    const { book, zone, isAccountTaken } = this.#watched;
    const objectKey = objectOfStatement(version.key);
    if (objectKey !== null) {
      if (isAccountTaken) return;
      const others = zone.versionsOf(version.key).filter((other) => other !== version);
      const sha256 = book.statementIn(version)?.statement.sha256;
      if (others.some((other) => book.statementIn(other)?.statement.sha256 === sha256)) return;
      for (const object of zone.versionsOf(objectKey)) {
        if (object.attributes.metadata.has("airlock") || digestOf(object.bytes) !== sha256) continue;
        // stored once more just as the first is released: the mover remembers its statement
        const isRepeat = this.isArchived(objectKey, object.bytes) && !this.#isRecorded(object);
        if (!isRepeat) this.violate(`the statement of ${objectKey} is released before it`);
      }
      return;
    }
    const entries = (this.#vault?.recorded.get(sourceIdOf(version)) ?? []).filter(
      ({ disposition }) => disposition !== "finding",
    );
    if (entries.length === 0) return this.violate(`${sourceIdOf(version)} is released and not recorded`);
    // what the account's holder put in its place is nobody's loss
    if (isAccountTaken && !book.isSigned(version.key, digestOf(version.bytes))) return;
    if (!this.isArchived(version.key, version.bytes))
      this.violate(`${sourceIdOf(version)} is released, and the vault has other bytes`);
  }

  /** Without versions, the same bytes stored once more are another source by their time alone. */
  #isRecorded(object: ZoneVersion): boolean {
    const entries = this.#vault?.recorded.get(sourceIdOf(object)) ?? [];
    const seconds = (time: Date | string): number => Math.floor(new Date(time).getTime() / 1000);
    return entries.some(
      ({ source }) => source !== null && seconds(source.lastModified) === seconds(object.lastModified),
    );
  }

  /** Whether these very bytes are in the vault under a name that the ledger gives for this key. */
  isArchived(key: string, bytes: Uint8Array): boolean {
    for (const { vault } of this.#vault?.entriesOf.get(key) ?? []) {
      const object = vault === null ? undefined : this.#vault?.objects.get(vault.name);
      if (object !== undefined && digestOf(object.bytes) === digestOf(bytes)) return true;
    }
    return false;
  }

  #isProvable(key: string): boolean {
    const name = parseDropZoneName(key);
    return name !== null && this.#watched.hosts.get(name.host)?.signatures === "required";
  }
}
