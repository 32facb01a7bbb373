/** The vault box behind its packet filter, and beyond it everything that it and an attacker may want to reach. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";
import { RANGES_NAME, STORE_NAMES } from "./far-names.ts";
import { startLineProgram, type LineProgram } from "./line-program.ts";
import { ELSEWHERE, FAR, inNamespace, into, makeNamespaces, type Namespaces } from "./namespaces.ts";

export const FIREWALL = join(root, "deploy/nftables/firewall.nft");
/** What somebody left running on the box; a scan without the filter finds all of it. */
export const BOX_LISTENS_ON = [22, 443, 8080];

export interface FirewallScene {
  readonly folder: string;
  readonly namespaces: Namespaces;
  readonly far: LineProgram;
  /** The authority of the far side's certificate. */
  readonly certificate: string;
  /** What the far side serves as the provider's list. */
  readonly rangesFile: string;
  /** The mover's, for the store at one of its names. */
  readonly moverConfig: (storeName: string) => Promise<string>;
  /** Runs a program on the box. */
  readonly onBox: (program: string, ...args: readonly string[]) => Promise<string>;
  /** `target → what came of it`, as reach.ts prints it. */
  readonly reach: (...targets: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

export async function openFirewallScene(stack: AsyncDisposableStack): Promise<FirewallScene> {
  const folder = await mkdtemp(join(tmpdir(), "airlock-firewall-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const namespaces = await makeNamespaces(stack);
  const [certificate, key, rangesFile] = ["tls.crt", "tls.key", "ranges.json"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]; // three in, three out
  await makeCertificate(certificate, key);
  const program = (name: string): string => join(root, "test/deploy", name);
  const { box, far } = namespaces;
  const farSide = stack.use(
    await startLineProgram("ip", [
      ...into(far),
      process.execPath,
      program("far-side.ts"),
      certificate,
      key,
      rangesFile,
    ]),
  );
  stack.use(
    await startLineProgram("ip", [...into(box), process.execPath, program("listen.ts"), ...BOX_LISTENS_ON.map(String)]),
  );
  await startNameServer(stack, far);
  const { moverConfig, endpoint } = JSON.parse(farSide.greeting) as { moverConfig: string; endpoint: string }; // ours
  return {
    folder,
    namespaces,
    far: farSide,
    certificate,
    rangesFile,
    async moverConfig(storeName) {
      const config = join(folder, `${storeName}.yaml`);
      await writeFile(config, (await readFile(moverConfig, "utf8")).replaceAll(endpoint, `https://${storeName}`));
      return config;
    },
    onBox: (command, ...args) => inNamespace(box, command, ...args),
    async reach(...targets) {
      const lines = await inNamespace(box, process.execPath, program("reach.ts"), ...targets);
      return new Map(
        lines
          .trim()
          .split("\n")
          .map((line) => line.split(" ") as [string, string]),
      ); // as reach.ts has it
    },
  };
}

/** One that is its own authority. */
async function makeCertificate(certificate: string, key: string): Promise<void> {
  const names = [...Object.values(STORE_NAMES), RANGES_NAME].map((name) => `DNS:${name}`);
  const self = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=airlock.test", "-addext", `subjectAltName=${names.join(",")}`];
  await runProgram("openssl", [...self, ...subject, "-keyout", key, "-out", certificate]);
}

/** dnsmasq, which knows the far side's names and asks nobody. */
async function startNameServer(stack: AsyncDisposableStack, namespace: string): Promise<void> {
  const names = [`${STORE_NAMES.v4},${FAR.v4}`, `${STORE_NAMES.v6},${FAR.v6}`, `${RANGES_NAME},${ELSEWHERE}`];
  const options = ["--keep-in-foreground", "--no-resolv", "--no-hosts", "--log-facility=-", "--conf-file=/dev/null"];
  const records = names.map((name) => `--host-record=${name}`);
  const child = spawn("ip", [...into(namespace), "dnsmasq", ...options, "--pid-file", "--user=root", ...records], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const closed = once(child, "close");
  stack.defer(async () => {
    child.kill("SIGTERM");
    await closed;
  });
  // It says so once it listens.
  const started = once(child.stderr, "data");
  await Promise.race([started, closed.then(() => Promise.reject(new Error("dnsmasq ended at once")))]);
  child.stderr.resume();
}
