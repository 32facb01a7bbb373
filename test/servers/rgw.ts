/** Ceph's S3 gateway (RGW) from Debian 12's own packages. Each account is a cluster of its own. */
import { installDebianPackages } from "./install-programs.ts";
import { putUserPolicies } from "./iam.ts";
import { REGION } from "./real-server.ts";
import type { RealServer } from "./real-server.ts";
import { startCluster, startGateway } from "./rgw-cluster.ts";
import { canRun, runProgram } from "./run-program.ts";
import { Missing, Unsupported } from "./server.ts";
import type { Credentials } from "./server.ts";
import { sendSigned } from "./sign.ts";

/** What the recorded differences were measured on; Debian's security updates change only what follows it. */
const VERSION = "16.2.15";
const PACKAGES = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common"];

export const rgw: RealServer = {
  name: "rgw",
  title: `Ceph RGW ${VERSION} (Debian 12)`,

  async install() {
    const done = await installDebianPackages(PACKAGES);
    if (await rgw.isInstalled()) return done;
    const found = (await canRun("radosgw", ["--version"]))
      ? await runProgram("radosgw", ["--version"])
      : "not runnable";
    throw new Missing(`Ceph ${VERSION} (Debian 12's) is needed, and the one here is: ${found.trim()}`);
  },

  async isInstalled() {
    for (const program of ["ceph-mon", "ceph-osd", "radosgw-admin"]) {
      if (!(await canRun(program, ["--version"]))) return false;
    }
    return (
      (await canRun("radosgw", ["--version"])) && (await runProgram("radosgw", ["--version"])).includes(` ${VERSION}`)
    );
  },

  async launch(folder) {
    const cluster = await startCluster(folder);
    const endpoint = await startGateway(cluster);
    const user = async (uid: string, ...more: string[]): Promise<Credentials> =>
      keyOf(await cluster.run("radosgw-admin", "user", "create", `--uid=${uid}`, `--display-name=${uid}`, ...more));
    const owner = await user("owner");
    const credentials = await user("admin", "--caps=users=*;user-policy=*");
    return { endpoint, owner, iam: { endpoint, credentials } };
  },

  async createUser({ iam }, name, policies) {
    // RGW 16 has no CreateUser in its IAM API; users are made by Ceph's own admin API on the same endpoint.
    const url = new URL("/admin/user", iam.endpoint);
    url.search = new URLSearchParams({ uid: name, "display-name": name, format: "json" }).toString();
    const request = { method: "PUT", url, service: "s3", region: REGION, credentials: iam.credentials } as const;
    const answer = await sendSigned(request);
    if (answer.status !== 200) throw new Error(`making user ${name} answered ${answer.status}: ${answer.text}`);
    await putUserPolicies({ ...iam, region: REGION }, name, policies);
    return keyOf(answer.text);
  },

  createQueue: () => Promise.reject(new Unsupported("Ceph sends events over HTTP, AMQP and Kafka, not to SQS")),
};

/** A user as radosgw-admin and the admin API show it. */
function keyOf(json: string): Credentials {
  // Ceph's own output; what is missing in it is noticed below.
  const user = JSON.parse(json) as { keys?: { access_key?: string; secret_key?: string }[] };
  const key = user.keys?.[0];
  if (!key?.access_key || !key.secret_key) throw new Error("Ceph made a user without a key");
  return { accessKeyId: key.access_key, secretAccessKey: key.secret_key };
}
