import type { StoredVersion } from "../shared/stores.ts";

/** Hosts in turn, each with its oldest first: a page full of one host's objects delays another's by one. */
export function takeTurns(versions: readonly StoredVersion[], hostOf: (key: string) => string): StoredVersion[] {
  const byHost = new Map<string, StoredVersion[]>();
  for (const version of versions) {
    const host = hostOf(version.key);
    const ofHost = byHost.get(host);
    if (ofHost === undefined) byHost.set(host, [version]);
    else ofHost.push(version);
  }
  const queues = Array.from(byHost.values(), (ofHost) =>
    ofHost.toSorted((a, b) => a.lastModified.getTime() - b.lastModified.getTime()).values(),
  );
  const ordered: StoredVersion[] = [];
  for (let left = queues; left.length > 0;) {
    left = left.filter((queue) => {
      const { value, done } = queue.next();
      if (done !== true) ordered.push(value);
      return done !== true;
    });
  }
  return ordered;
}
