import { AirlockError } from "../shared/errors.ts";
import type { PublicKey } from "../shared/keys.ts";
import { segmentName } from "../shared/ledger.ts";
import { formatSelector, isSelected, type Selector } from "./selector.ts";
import { checkStatement, identityOf, type StoredObject } from "./stored-object.ts";

export interface Candidate {
  readonly object: StoredObject;
  /** Whether the ledger is whole from its first segment to the one that records this object. */
  readonly intact: boolean;
}

export interface Chooser {
  consider(candidate: Candidate): void;
  /** @throws {AirlockError} `entry-missing` */
  choose(): Candidate;
}

/**
 * Finds the newest object by the ledger's time, not after `at`. An object that was recorded more than once counts from
 * its first time: an old one that was put into the drop-zone again is not thereby the newest. Where a name means both
 * a set and foreign objects, the set is meant.
 */
export function createChooser(selector: Selector, at: Date | null): Chooser {
  const firsts = new Map<string, Candidate>();
  return {
    consider: (candidate) => {
      const { object } = candidate;
      if (!isSelected(object.key, selector)) return;
      const identity = identityOf(object);
      const first = firsts.get(identity);
      if (first === undefined || object.at < first.object.at) firsts.set(identity, candidate);
    },
    choose: () => {
      const all = [...firsts.values()];
      const ofSet = all.filter(({ object }) => object.set !== null);
      const meant = ofSet.length > 0 ? ofSet : all;
      const inTime = at === null ? meant : meant.filter(({ object }) => object.at <= at);
      const [first, ...others] = inTime;
      if (first !== undefined)
        return others.reduce((best, next) => (next.object.at >= best.object.at ? next : best), first);
      const name = formatSelector(selector);
      if (at === null || meant.length === 0) {
        throw new AirlockError("entry-missing", `the ledger records no object of ${name}`, {
          subject: name,
          remedy: "see `airlock ls` for what the vault holds",
        });
      }
      throw new AirlockError("entry-missing", `nothing of ${name} was in the vault at ${at.toISOString()}`, {
        subject: name,
        remedy: `see \`airlock ls ${name}\` for the times at which there was`,
      });
    },
  };
}

/** Who answers for an object that is to be restored. */
export interface Vouched {
  /** The host's key that signed the statement; null: nobody's signature was to be found. */
  readonly signer: PublicKey | null;
  /** What was not proven and was let pass, in sentences for the reader. */
  readonly waived: readonly string[];
}

/**
 * Checks what can be known of an object without its bytes: that the ledger is whole up to it and that its host signed
 * for it. `unverified` lets pass what is unknown or missing; what is proven wrong is refused all the same.
 * @throws {AirlockError} `ledger-corrupt`, `statement-missing`, `host-unknown`, `object-corrupt`, or what
 *   `verifyStatement` throws
 */
export function vouchFor(
  { object, intact }: Candidate,
  hosts: ReadonlyMap<string, readonly PublicKey[]>,
  unverified: boolean,
): Vouched {
  const waived: string[] = [];
  const waive = (error: AirlockError): void => {
    if (!unverified) throw error;
    waived.push(error.message);
  };
  if (!intact) {
    waive(
      new AirlockError(
        "ledger-corrupt",
        `the ledger of ${object.mover} is damaged at or before the segment that records this object`,
        {
          subject: segmentName(object.mover, object.segment),
          remedy: "run `airlock verify`; choose an earlier object with --at, or take this one with --unverified",
        },
      ),
    );
  }
  const checked = checkStatement(object, hosts);
  if (checked.result === "invalid") throw checked.error;
  if (checked.result === "missing") {
    waive(
      new AirlockError("statement-missing", `${object.host} signs its objects, and this one has no statement`, {
        subject: object.key,
        remedy: "choose another object with --at, or take this one with --unverified",
      }),
    );
  }
  if (checked.result === "host-unknown") {
    waive(
      new AirlockError("host-unknown", `no key of ${object.host} is configured, so its signature can't be verified`, {
        subject: object.key,
        remedy: `list the public key of ${object.host} under \`hosts\`, or take the object with --unverified`,
      }),
    );
  }
  if (object.signed !== null && object.signed.statement.sha256 !== object.sha256) {
    throw new AirlockError("object-corrupt", "the ledger recorded another digest than the host signed", {
      subject: object.key,
      remedy: "run `airlock verify`, and choose another object with --at",
    });
  }
  return { signer: checked.result === "verified" ? checked.key : null, waived };
}
