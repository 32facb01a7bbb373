/** deploy/nftables/: the vault box's packet filter, loaded by the real `nft` between hosts of our own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { installDebianPackages } from "../servers/install-programs.ts";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";
import type { Claim, Part } from "./claim.ts";
import { rangesClaims } from "./firewall-ranges.ts";
import { BOX_LISTENS_ON, FIREWALL, openFirewallScene, type FirewallScene } from "./firewall-scene.ts";
import { OTHER_TCP, OTHER_UDP, STORE_NAMES } from "./far-names.ts";
import { BOX, FAR, inNamespace, NARROW_MTU } from "./namespaces.ts";

const PACKAGES = ["nftables", "iproute2", "nmap", "dnsmasq-base", "openssl", "procps", "curl", "jq"];

export const firewall: Part = {
  name: "firewall",
  install: () => installDebianPackages(PACKAGES),
  async open(stack): Promise<readonly Claim[]> {
    const scene = await openFirewallScene(stack);
    return [
      {
        claim: "without the filter, a scan finds what runs on the box",
        provedBy: "nmap",
        prove: () => findOpen(scene),
      },
      { claim: "the rules load, once and again, and touch no other table", provedBy: "nft", prove: () => load(scene) },
      {
        claim: "a scan of all TCP and 1,024 UDP ports finds nothing, IPv4 and IPv6",
        provedBy: "nmap",
        prove: () => findNothing(scene),
      },
      ...(["v4", "v6"] as const).map((family) => ({
        claim: `the mover moves through it, IP${family}, by name, on a path narrower than its link`,
        provedBy: "airlock-mover",
        prove: () => move(scene, family),
      })),
      {
        claim: "names, time and HTTPS go out; whatever else is refused",
        provedBy: "nft",
        prove: () => tryToGetOut(scene),
      },
      ...(await rangesClaims(scene)),
    ];
  },
};

async function findOpen({ namespaces }: FirewallScene): Promise<string> {
  for (const address of [BOX.v4, BOX.v6]) {
    const found = await scan(namespaces.router, address, "-sS", "-p", "20-25,440-445,8080");
    const open = Array.from(found.matchAll(/(\d+)\/open\/tcp/g), ([, port]) => Number(port));
    assert.deepEqual(open, BOX_LISTENS_ON, found);
  }
  assert.match(await scan(namespaces.router, BOX.v4, "-sU", "-p", "8080"), /8080\/open\/udp/);
  return `${BOX_LISTENS_ON.length} of ${BOX_LISTENS_ON.length} ports`;
}

async function load({ onBox }: FirewallScene): Promise<string> {
  await onBox("nft", "add table inet others");
  await onBox("nft", "--check", "--file", FIREWALL);
  assert.doesNotMatch(await onBox("nft", "list", "ruleset"), /airlock/, "a check loads nothing");
  await onBox("nft", "--file", FIREWALL);
  const first = await onBox("nft", "list", "ruleset");
  await onBox("nft", "--file", FIREWALL);
  assert.equal(await onBox("nft", "list", "ruleset"), first);
  assert.match(first, /table inet others/);
  assert.match(first, /hook input priority filter; policy drop;/);
  return (await runProgram("nft", ["--version"])).split(" ").slice(0, 2).join(" ");
}

async function findNothing({ namespaces }: FirewallScene): Promise<string> {
  const every = ["-sS", "-p-", "--min-rate", "20000", "--max-retries", "1"];
  const some = ["-sU", "-p", "1-1024", "--min-rate", "5000", "--max-retries", "0"];
  const scans = [BOX.v4, BOX.v6].flatMap((address) => [
    scan(namespaces.router, address, ...every).then((found) => assert.match(found, /State: filtered \(65535\)/)),
    scan(namespaces.router, address, ...some).then((found) => assert.match(found, /State: open\|filtered \(1024\)/)),
  ]);
  await Promise.all(scans);
  const ping = await inNamespace(namespaces.router, "nmap", "-n", "-sn", "-PE", "-PP", "--disable-arp-ping", BOX.v4);
  assert.match(ping, /0 hosts up/);
  return "0 of 131,070 TCP ports, 0 of 2,048 UDP";
}

/** From the box's own link: nobody can get nearer. */
function scan(namespace: string, address: string, ...how: readonly string[]): Promise<string> {
  const family = address.includes(":") ? ["-6"] : [];
  return inNamespace(namespace, "nmap", ...family, "-n", "-Pn", "-oG", "-", ...how, address);
}

async function move(scene: FirewallScene, family: "v4" | "v6"): Promise<string> {
  const { key, size } = JSON.parse(await scene.far.ask("put")) as { key: string; size: number }; // a statement
  const name = STORE_NAMES[family];
  const env = [`NODE_EXTRA_CA_CERTS=${scene.certificate}`, `HOME=${scene.folder}`, "NODE_NO_WARNINGS=1"];
  const mover = [process.execPath, join(root, "mover/main.ts"), "--config", await scene.moverConfig(name)];
  await scene.onBox("env", ...env, ...mover, "run", "--once");
  const seen = JSON.parse(await scene.far.ask("list")) as { archived: string[]; waiting: string[] }; // far-side.ts'
  const folder = key.slice(0, key.lastIndexOf("/"));
  assert.ok(
    seen.archived.some((archived) => archived.startsWith(`archive/${folder}/`)),
    seen.archived.join(" "),
  );
  assert.deepEqual(seen.waiting, []);
  // The router said how narrow the way is, and the box heard it: an ICMP error that no port was opened for.
  const route = await scene.onBox("ip", family === "v4" ? "-4" : "-6", "route", "get", FAR[family]);
  assert.match(route, new RegExp(`mtu ${NARROW_MTU}`));
  return `${size / 2 ** 20} MiB at path MTU ${NARROW_MTU}`;
}

async function tryToGetOut({ reach, onBox }: FirewallScene): Promise<string> {
  const both = [FAR.v4, FAR.v6];
  const allowed = both.flatMap((address) => [`tcp:${address}:443`, `udp:${address}:123`, `tcp:${address}:53`]);
  const refused = both.flatMap((address) => [
    ...OTHER_TCP.map((port) => `tcp:${address}:${port}`),
    ...OTHER_UDP.filter((port) => port !== 123).map((port) => `udp:${address}:${port}`),
  ]);
  const seen = await reach(...allowed, ...refused);
  for (const target of allowed) assert.equal(seen.get(target), "open", target);
  for (const target of refused)
    assert.match(seen.get(target) ?? "", /^(EHOSTUNREACH|EACCES|EPERM|ECONNREFUSED)$/, target);
  // The other side answers all of it where there is no filter: what was refused was refused here.
  await onBox("nft", "delete table inet airlock");
  const open = await reach(...refused);
  await onBox("nft", "--file", FIREWALL);
  for (const target of refused) assert.equal(open.get(target), "open", target);
  return `${refused.length} ways out refused`;
}
