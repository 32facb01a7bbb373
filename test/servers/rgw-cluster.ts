/**
 * A Ceph cluster of one monitor and one OSD that keeps its data in memory, just enough for an S3 gateway in front of
 * it. Everything that Ceph would put under /etc, /var and /run lies in the run folder instead.
 */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, startRecorded, until, waitForPort } from "./processes.ts";
import { runProgram } from "./run-program.ts";

export interface Cluster {
  readonly folder: string;
  /** Runs one of Ceph's programs against this cluster. */
  run(program: string, ...args: string[]): Promise<string>;
}

export async function startCluster(folder: string): Promise<Cluster> {
  const monitorPort = await freePort();
  const fsid = randomUUID();
  const config = join(folder, "ceph.conf");
  for (const name of ["mon", "osd"]) await mkdir(join(folder, name));
  await writeFile(config, configuration(folder, fsid, monitorPort));
  const env = { ...process.env, CEPH_CONF: config };
  const run = (program: string, ...args: string[]): Promise<string> => runProgram(program, args, { env });
  await makeKeys(join(folder, "keyring"), run);

  const map = join(folder, "monmap");
  await run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", `[v2:127.0.0.1:${monitorPort}]`, map);
  await run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map, "--keyring", join(folder, "keyring"));
  await startRecorded({ label: "mon", command: "ceph-mon", args: ["-i", "a", "-f"], env, runFolder: folder });
  await waitForPort(monitorPort, folder, "mon");

  const osd = randomUUID();
  await run("ceph", "--connect-timeout", "30", "osd", "new", osd);
  await run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
  await startRecorded({ label: "osd", command: "ceph-osd", args: ["-i", "0", "-f"], env, runFolder: folder });
  const isUp = async (): Promise<boolean> => / 1 up/.test(await run("ceph", "--connect-timeout", "30", "osd", "stat"));
  if (!(await until(isUp, 60_000))) throw new Error(`the OSD in ${folder} did not come up; see osd.log there`);
  return { folder, run };
}

export async function startGateway(cluster: Cluster): Promise<string> {
  const { folder } = cluster;
  const port = await freePort();
  await startRecorded({
    label: "gateway",
    command: "radosgw",
    args: ["-f", "-n", "client.rgw", `--rgw_frontends=beast endpoint=127.0.0.1:${port}`],
    env: { ...process.env, CEPH_CONF: join(folder, "ceph.conf") },
    runFolder: folder,
  });
  await waitForPort(port, folder, "gateway");
  return `http://127.0.0.1:${port}`;
}

async function makeKeys(keyring: string, run: Cluster["run"]): Promise<void> {
  const key = (name: string, ...caps: string[]): Promise<string> =>
    run(
      "ceph-authtool",
      keyring,
      "--gen-key",
      "-n",
      name,
      ...caps.flatMap((cap) => ["--cap", ...cap.split(" ", 1), cap.slice(cap.indexOf(" ") + 1)]),
    );
  await run("ceph-authtool", "--create-keyring", keyring);
  await key("mon.", "mon allow *");
  await key("client.admin", "mon allow *", "osd allow *", "mgr allow *");
  await key("osd.0", "mon allow profile osd", "osd allow *");
  await key("client.rgw", "mon allow rwx", "osd allow rwx");
}

/** One copy of everything, few placement groups, no waiting for quorum: a cluster that is up in seconds. */
function configuration(folder: string, fsid: string, monitorPort: number): string {
  // Debian's library folder; Ceph's own defaults assume another prefix when it is run by hand.
  const libraries = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitorPort}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = ${folder}/keyring
run dir = ${folder}
admin socket = ""
crash dir = ${folder}
log file = ${folder}/$name.ceph.log
mon cluster log file = ${folder}/cluster.ceph.log
plugin dir = ${libraries}/ceph
erasure code dir = ${libraries}/ceph/erasure-code
osd class dir = ${libraries}/rados-classes
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.05
paxos min wait = 0.01
[mon]
mon data = ${folder}/mon
mon initial members = a
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 6442450944
ms dispatch throttle bytes = 1048576000
[client]
rgw thread pool size = 128
rgw enable usage log = false
rgw run sync thread = false
rgw relaxed s3 bucket names = false
`;
}
