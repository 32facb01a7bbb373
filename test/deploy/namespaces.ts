/**
 * A box, a router and whatever lies beyond, as network namespaces of one machine:
 *
 *     box  203.0.113.2  2001:db8:1::2  --  router  --  198.51.100.2  2001:db8:2::2  far
 *
 * The way beyond the router takes packets of {@link NARROW_MTU} bytes at most, so that whoever sends needs to be told.
 */
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Missing } from "../servers/server.ts";
import { runProgram } from "../servers/run-program.ts";

export const BOX = { v4: "203.0.113.2", v6: "2001:db8:1::2" };
const ROUTER = { v4: "203.0.113.1", v6: "2001:db8:1::1" };
export const FAR = { v4: "198.51.100.2", v6: "2001:db8:2::2" };
/** The far side's other address, of which the store has no name. */
export const ELSEWHERE = "198.51.100.3";
const FAR_ROUTER = { v4: "198.51.100.1", v6: "2001:db8:2::1" };
export const NARROW_MTU = 1300;

export interface Namespaces {
  readonly box: string;
  readonly router: string;
  readonly far: string;
}

/** All are removed with the stack, and with them what is in them of interfaces, routes and rules. */
export async function makeNamespaces(stack: AsyncDisposableStack): Promise<Namespaces> {
  if (process.getuid?.() !== 0) throw new Missing("network namespaces are made by root: run this as root");
  const id = randomBytes(3).toString("hex");
  const [box, router, far] = ["box", "router", "far"].map((name) => `airlock-${id}-${name}`) as [
    string,
    string,
    string,
  ]; // three in, three out
  for (const name of [box, router, far]) {
    await runProgram("ip", ["netns", "add", name]);
    stack.defer(async () => void (await runProgram("ip", ["netns", "delete", name])));
    await runProgram("ip", ["-n", name, "link", "set", "lo", "up"]);
  }
  await joinNamespaces(box, router, "near");
  await joinNamespaces(far, router, "wide");
  await addAddresses(box, "near", BOX);
  await addAddresses(router, "near", ROUTER);
  await addAddresses(router, "wide", FAR_ROUTER);
  await addAddresses(far, "wide", FAR);
  await runProgram("ip", ["-n", far, "address", "add", `${ELSEWHERE}/24`, "dev", "wide"]);
  await route(box, "default", "default", ROUTER);
  await route(far, "default", "default", FAR_ROUTER);
  await inNamespace(router, "sysctl", "--quiet", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  for (const [family, net] of [
    ["-4", "198.51.100.0/24"],
    ["-6", "2001:db8:2::/64"],
  ] as const) {
    // Locked: what is forwarded keeps to it as well. It comes before the link's own route.
    const narrow = ["route", "add", net, "dev", "wide", "metric", "1", "mtu", "lock", String(NARROW_MTU)];
    await runProgram("ip", ["-n", router, family, ...narrow]);
  }
  const resolver = join("/etc/netns", box);
  stack.defer(() => rm(resolver, { recursive: true, force: true }));
  await mkdir(resolver, { recursive: true });
  await writeFile(join(resolver, "resolv.conf"), `nameserver ${FAR.v4}\nnameserver ${FAR.v6}\n`);
  return { box, router, far };
}

/** Runs a program there to its end. */
export function inNamespace(namespace: string, program: string, ...args: readonly string[]): Promise<string> {
  return runProgram("ip", [...into(namespace), program, ...args], { timeoutMs: 120_000 });
}

/** The arguments of `ip` before a program that is to run there. */
export function into(namespace: string): readonly string[] {
  return ["netns", "exec", namespace];
}

async function joinNamespaces(first: string, second: string, name: string): Promise<void> {
  const link = ["link", "add", name, "netns", first, "type", "veth", "peer", "name", name, "netns", second];
  await runProgram("ip", link);
  for (const end of [first, second]) await runProgram("ip", ["-n", end, "link", "set", name, "up"]);
}

/** Without duplicate address detection, which takes seconds in which an address can't be used. */
async function addAddresses(namespace: string, device: string, { v4, v6 }: typeof BOX): Promise<void> {
  // The link's own IPv4 route would have no metric, and so come first.
  await runProgram("ip", ["-n", namespace, "address", "add", `${v4}/24`, "dev", device, "metric", "256"]);
  await runProgram("ip", ["-n", namespace, "address", "add", `${v6}/64`, "dev", device, "nodad"]);
}

async function route(namespace: string, net4: string, net6: string, via: typeof BOX): Promise<void> {
  await runProgram("ip", ["-n", namespace, "-4", "route", "add", net4, "via", via.v4]);
  await runProgram("ip", ["-n", namespace, "-6", "route", "add", net6, "via", via.v6]);
}
