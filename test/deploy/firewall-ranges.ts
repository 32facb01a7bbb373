/** airlock-ranges: what the provider publishes of its addresses becomes where HTTPS may go, or nothing changes. */
import assert from "node:assert/strict";
import { chmod, chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";
import type { Claim } from "./claim.ts";
import { RANGES_NAME } from "./far-names.ts";
import { FIREWALL, type FirewallScene } from "./firewall-scene.ts";
import { ELSEWHERE, FAR } from "./namespaces.ts";

const FOLDER = join(root, "deploy/nftables");
/** Neither root nor anybody's: as `User=` in the unit has it. */
const UID = 64_999;
const SYNC_TOKEN = 1_764_300_000;
/** What the tables of `systemd-analyze security` call good; the lower the better. */
const MAX_EXPOSURE = { "airlock-ranges.service": 1.5, "airlock-firewall.service": 2 };

interface List {
  readonly syncToken?: unknown;
  readonly v4?: readonly string[];
  readonly v6?: readonly string[];
  readonly service?: string;
}

/** As ip-ranges.json has it, with much that nobody chose. */
function listOf({ syncToken = String(SYNC_TOKEN), v4 = [], v6 = [], service = "S3" }: List): string {
  const of = (field: string, prefix: string, region: string, name: string) => ({
    [field]: prefix,
    region,
    service: name,
  });
  const others = Array.from({ length: 4_000 }, (_, index) =>
    of("ip_prefix", `52.${index >> 8}.${index & 255}.0/24`, "us-east-1", "EC2"),
  );
  return JSON.stringify({
    syncToken,
    createDate: "2026-11-28-10-00-00",
    prefixes: [...others, ...v4.map((prefix) => of("ip_prefix", prefix, "eu-central-1", service))],
    ipv6_prefixes: v6.map((prefix) => of("ipv6_prefix", prefix, "eu-central-1", service)),
  });
}

/** What must not be loaded, and the script's word for it. */
const REFUSED: readonly (readonly [what: string, list: string, says: RegExp])[] = [
  ["no JSON", "<html>", /ranges\.json/],
  ["no object", "[]", /is no object/],
  ["no time", listOf({ syncToken: 12, v4: ["3.5.134.0/23"] }), /syncToken is no time/],
  ["no list", `{"syncToken":"${SYNC_TOKEN}","prefixes":{},"ipv6_prefixes":[]}`, /prefixes are no list/],
  ["nothing of what is wanted", listOf({ v4: ["3.5.134.0/23"], service: "EC2" }), /has nothing for SERVICES="S3"/],
  ["everything", listOf({ v4: ["0.0.0.0/0"] }), /0\.0\.0\.0\/0 is no IPv4 range/],
  ["half of it", listOf({ v6: ["2000::/3"] }), /is no public IPv6 range/],
  ["the box's own network", listOf({ v4: ["10.1.0.0/16"] }), /10\.1\.0\.0\/16 is not public/],
  ["what has a private range inside", listOf({ v4: ["172.0.0.0/8"] }), /172\.0\.0\.0\/8 is not public/],
  ["link-local addresses", listOf({ v6: ["fe80::/64"] }), /is no public IPv6 range/],
  ["no address", listOf({ v4: ["3.5.999.0/23"] }), /is no address/],
  ["no IPv6 address", listOf({ v6: ["2a05:d050:4000:::/40"] }), /nft: /],
  ["a command of nft's", listOf({ v4: ["3.5.134.0/23 }; flush ruleset; #"] }), /is no IPv4 range/],
  ["a range in two lines", listOf({ v4: ["3.5.134.0/23\nflush ruleset"] }), /is no IPv4 range/],
  ["an IPv6 range in two lines", listOf({ v6: ["2a05:d050::/40\n0.0.0.0/0"] }), /is no public IPv6 range/],
  ["a time in two lines", listOf({ syncToken: "1\n0.0.0.0/0", v4: ["3.5.134.0/23"] }), /syncToken is no time/],
  ["a list as long as a film", `${listOf({ v4: ["3.5.134.0/23"] })}${" ".repeat(2 ** 24)}`, /is longer than/],
  [
    "an older list",
    listOf({ syncToken: String(SYNC_TOKEN - 1), v4: ["3.5.134.0/23"] }),
    /is older than what is loaded/,
  ],
];

export async function rangesClaims(scene: FirewallScene): Promise<readonly Claim[]> {
  const state = join(scene.folder, "state");
  await mkdir(state, { mode: 0o750 });
  await chown(state, UID, UID);
  await chmod(scene.folder, 0o711);
  return [
    {
      claim: "the provider's published ranges become where HTTPS may go; nothing else is",
      provedBy: "nft",
      prove: () => loadRanges(scene, state),
    },
    {
      claim: "a list that is wrong, old, too wide or hostile changes nothing",
      provedBy: "airlock-ranges",
      prove: () => refuseLists(scene, state),
    },
    { claim: "the ranges are back after a restart", provedBy: "nft", prove: () => restart(scene, state) },
    {
      claim: "the units are well-formed, and may do little",
      provedBy: "systemd-analyze",
      prove: () => judgeUnits(scene.folder),
    },
  ];
}

/** As the unit starts it: a user of its own, with the one capability. Resolves to what it printed; rejects when it fails. */
async function update(
  { folder, certificate, onBox }: FirewallScene,
  state: string,
  ranges: string,
  also = "",
): Promise<string> {
  const config = join(folder, "ranges.conf");
  const sample = await readFile(join(FOLDER, "ranges.conf"), "utf8");
  await writeFile(config, sample.replace(/^RANGES=.*$/m, `RANGES=${ranges}`).replace('ALSO=""', `ALSO="${also}"`));
  const caps = ["inh-caps", "ambient-caps", "bounding-set"].map((set) => `--${set}=-all,+net_admin`);
  const user = [`--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "--no-new-privs", ...caps];
  const env = [`STATE_DIRECTORY=${state}`, `CURL_CA_BUNDLE=${certificate}`];
  return onBox("env", ...env, "setpriv", ...user, join(FOLDER, "airlock-ranges"), config);
}

async function loadRanges(scene: FirewallScene, state: string): Promise<string> {
  const { reach, onBox, rangesFile } = scene;
  const targets = [`tcp:${FAR.v4}:443`, `tcp:${FAR.v6}:443`, `tcp:${ELSEWHERE}:443`];
  for (const target of targets) assert.equal((await reach(target)).get(target), "open", target);
  await writeFile(
    rangesFile,
    listOf({
      syncToken: String(SYNC_TOKEN - 1),
      v4: ["3.5.134.0/23", `${FAR.v4}/32`],
      v6: ["2a05:d050:4000::/40", "2001:db8:2::/48"],
    }),
  );
  const said = await update(scene, state, `https://${RANGES_NAME}/ip-ranges.json`, "192.0.2.80");
  assert.match(said, new RegExp(`5 ranges, syncToken ${SYNC_TOKEN - 1}`));
  const set = await onBox("nft", "list", "set", "inet", "airlock", "provider4");
  for (const range of ["3.5.134.0/23", FAR.v4, "192.0.2.80"]) assert.ok(set.includes(range), set);
  const seen = await reach(...targets);
  assert.deepEqual([...seen.values()].slice(0, 2), ["open", "open"]);
  assert.match(seen.get(`tcp:${ELSEWHERE}:443`) ?? "", /^(EHOSTUNREACH|EACCES|EPERM|ECONNREFUSED)$/);
  // The list's own address is in no range: whoever fetches it may all the same.
  await writeFile(rangesFile, listOf({ v4: [`${FAR.v4}/32`], v6: [`${FAR.v6}/128`] }));
  assert.match(await update(scene, state, `https://${RANGES_NAME}/ip-ranges.json`), /^airlock-ranges: 2 ranges/);
  return "by a user with CAP_NET_ADMIN alone";
}

async function refuseLists(scene: FirewallScene, state: string): Promise<string> {
  const before = await scene.onBox("nft", "list", "ruleset");
  const kept = await readFile(join(state, "ranges.nft"), "utf8");
  const file = join(scene.folder, "hostile-ranges.json");
  for (const [what, list, says] of REFUSED) {
    await writeFile(file, list);
    await assert.rejects(
      update(scene, state, file),
      (error: Error) => says.test(error.message) && /nothing was changed/.test(error.message),
      what,
    );
    assert.equal(await scene.onBox("nft", "list", "ruleset"), before, what);
  }
  const addresses = ["http://ranges.airlock.test/", "https://nowhere.airlock.test/ip-ranges.json", "relative.json"];
  for (const address of addresses) await assert.rejects(update(scene, state, address), /nothing was changed/, address);
  await assert.rejects(update(scene, state, "", "127.0.0.1;reboot"), /is neither an address nor a range/);
  assert.equal(await scene.onBox("nft", "list", "ruleset"), before);
  assert.equal(await readFile(join(state, "ranges.nft"), "utf8"), kept);
  assert.deepEqual(await readdir(state), ["ranges.nft"], "nothing is left behind");
  return `${REFUSED.length + addresses.length + 1} refused`;
}

async function restart({ onBox }: FirewallScene, state: string): Promise<string> {
  const before = await onBox("nft", "list", "ruleset");
  await onBox("nft", "--file", FIREWALL);
  assert.notEqual(await onBox("nft", "list", "ruleset"), before);
  await onBox("nft", "--file", join(state, "ranges.nft"));
  assert.equal(await onBox("nft", "list", "ruleset"), before);
  return "the same rules";
}

async function judgeUnits(folder: string): Promise<string> {
  const units: string[] = [];
  for (const unit of ["airlock-firewall.service", "airlock-ranges.service", "airlock-ranges.timer"]) {
    const text = await readFile(join(FOLDER, unit), "utf8");
    await writeFile(join(folder, unit), text.replaceAll("/usr/sbin/airlock-ranges", join(FOLDER, "airlock-ranges")));
    units.push(join(folder, unit));
  }
  await runProgram("systemd-analyze", ["verify", "--man=no", ...units]);
  const seen: string[] = [];
  for (const [unit, limit] of Object.entries(MAX_EXPOSURE)) {
    const judged = await runProgram("systemd-analyze", [
      "security",
      "--offline=true",
      "--no-pager",
      join(FOLDER, unit),
    ]);
    const exposure = Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(judged)?.[1] ?? NaN);
    assert.ok(exposure <= limit, `${unit}: ${exposure}`);
    seen.push(String(exposure));
  }
  return seen.join(", ");
}
