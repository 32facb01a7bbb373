/** THREATS.md B: whoever holds the whole drop-zone account. Lies are in `lies.ts`; here is what it does to objects. */
import { objectOfStatement, STATEMENT_SUFFIX } from "../../../shared/names.ts";
import type { Host, Surroundings } from "./hosts.ts";
import { digestOf, etagOf, type ZoneVersion } from "./zone.ts";

export const TAMPERINGS = [
  "removes an object",
  "removes a statement",
  "removes both",
  "removes everything",
  "replaces the bytes",
  "replaces the bytes behind its name",
  "swaps two objects' bytes",
  "replaces the bytes for a while",
  "puts a version on top",
  "copies an object to another name",
  "stores an object again",
  "resurrects what was moved",
  "hides an object for a while",
  "deletes by name",
  "alters the metadata",
  "forges an object",
  "fills the statement's name with junk",
] as const;
export type Tampering = (typeof TAMPERINGS)[number];

export interface Removed {
  /** What once was in the drop-zone and has left it, whoever took it. */
  readonly gone: ZoneVersion[];
}

export function tamper(tampering: Tampering, hosts: readonly Host[], around: Surroundings, { gone }: Removed): void {
  const { random, book, zone, clock, tell } = around;
  const objects = zone.list().filter(({ key, isMarker }) => !isMarker && objectOfStatement(key) === null);
  const touch = (key: string): void => {
    const upload = book.uploadOf(key);
    if (upload !== null) upload.touched = tampering;
  };
  const remove = (version: ZoneVersion): void => {
    touch(version.key);
    zone.remove(version);
  };
  const victim = objects.length > 0 ? random.pick(objects) : null;
  if (victim === null && tampering !== "resurrects what was moved" && tampering !== "forges an object") return;
  tell(`the drop-zone's holder ${tampering}: ${victim?.key}`);
  if (victim !== null) tamperWith(tampering, victim, objects);
  if (tampering === "resurrects what was moved" && gone.length > 0) {
    const back = random.pick(gone);
    touch(back.key);
    zone.resurrect(back);
  }
  if (tampering === "forges an object") zone.put(random.pick(hosts).newKey(), random.bytes(random.int(0, 10_000)));

  function tamperWith(what: Tampering, version: ZoneVersion, all: readonly ZoneVersion[]): void {
    const statements = zone.versionsOf(version.key + STATEMENT_SUFFIX);
    switch (what) {
      case "removes an object":
        return remove(version);
      case "removes a statement":
        return statements.forEach(remove);
      case "removes both":
        remove(version);
        return statements.forEach(remove);
      case "removes everything":
        for (const one of zone.list()) if (!one.isMarker) remove(one);
        return;
      case "replaces the bytes": {
        remove(version);
        const { attributes } = version;
        zone.put(version.key, random.bytes(version.bytes.length), { metadata: attributes.metadata });
        return;
      }
      case "replaces the bytes behind its name":
        touch(version.key);
        version.bytes = random.bytes(version.bytes.length);
        if (random.chance(0.5)) version.etag = etagOf(version.bytes, false);
        return zone.touch();
      case "swaps two objects' bytes": {
        const other = random.pick(all);
        touch(version.key);
        touch(other.key);
        [version.bytes, other.bytes] = [other.bytes, version.bytes];
        return zone.touch();
      }
      case "replaces the bytes for a while": {
        const truth = version.bytes;
        version.bytes = random.bytes(truth.length);
        zone.touch();
        clock.after(random.int(50, 90_000), () => {
          version.bytes = truth;
          zone.touch();
        });
        return;
      }
      case "puts a version on top":
        if (!zone.options.versioned) touch(version.key);
        zone.put(version.key, random.bytes(random.int(0, 300)), { metadata: version.attributes.metadata });
        return;
      case "copies an object to another name":
        zone.put(random.pick(hosts).newKey(), version.bytes, { metadata: version.attributes.metadata });
        return;
      case "stores an object again":
        // while its bytes are replaced for a while, that is for good: what comes back later was overwritten
        if (!zone.options.versioned && !book.isSigned(version.key, digestOf(version.bytes))) touch(version.key);
        zone.put(version.key, version.bytes, { metadata: version.attributes.metadata });
        return;
      case "hides an object for a while":
        version.isHidden = true;
        zone.touch();
        clock.after(random.int(50, 90_000), () => {
          version.isHidden = false;
          zone.touch();
        });
        return;
      case "deletes by name":
        if (!zone.options.versioned) touch(version.key);
        return zone.deleteByName(version.key);
      case "alters the metadata":
        touch(version.key);
        version.attributes = { ...version.attributes, metadata: new Map([["airlock", "e30"]]) };
        return zone.touch();
      case "fills the statement's name with junk":
        if (!zone.options.versioned) touch(version.key);
        for (let count = random.int(1, 40); count > 0; count--)
          zone.put(version.key + STATEMENT_SUFFIX, random.bytes(random.int(0, 100)));
        return;
      case "resurrects what was moved":
      case "forges an object":
        return;
    }
  }
}
