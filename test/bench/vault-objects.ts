import { createHost, type FixtureObject, type Host } from "../unit/operator/fixture.ts";

const SETS = ["postgres", "etc", "logs", "home"];
const STEP_MS = 60_000;

export function createHosts(count: number): readonly Host[] {
  return Array.from({ length: count }, (_, number) => createHost(`web${number + 1}`));
}

/** Host by host in turn, one a minute until now: as a vault fills over the years. */
export function* makeObjects(hosts: readonly Host[], count: number): Generator<FixtureObject, void, undefined> {
  const firstAt = Date.now() - count * STEP_MS;
  for (let number = 0; number < count; number++) {
    const host = hosts[number % hosts.length];
    if (host === undefined) throw new RangeError("no hosts");
    const set = SETS[Math.floor(number / hosts.length) % SETS.length] ?? "";
    const bytes = Buffer.from(`object ${number}`);
    yield host.next({
      set,
      name: `${set}.tar.zst.age`,
      encoding: ["tar", "zstd", "age"],
      bytes,
      at: firstAt + number * STEP_MS,
    });
  }
}
