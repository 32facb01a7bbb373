/**
 * Versity S3 Gateway on a folder: https://github.com/versity/versitygw. Each account is one gateway with an IAM
 * service of its own, which gives it users with policies; the two talk over a unix socket in the run folder.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { installFolder } from "./cache.ts";
import { createAccessKey, createIamUser, putUserPolicies } from "./iam.ts";
import { exists, installGoProgram } from "./install-programs.ts";
import { freePort, startRecorded, waitForPort } from "./processes.ts";
import { REGION, randomCredentials } from "./real-server.ts";
import type { RealServer } from "./real-server.ts";
import { Unsupported } from "./server.ts";

const VERSION = "v1.8.0";
export const VERSITYGW = join(installFolder("versitygw", VERSION), "versitygw");

export const versitygw: RealServer = {
  name: "versitygw",
  title: `versitygw ${VERSION.slice(1)}`,
  install: () => installGoProgram("github.com/versity/versitygw/cmd/versitygw", VERSION, VERSITYGW),

  isInstalled: () => exists(VERSITYGW),

  async launch(folder) {
    const owner = randomCredentials();
    const env = {
      ...process.env,
      ROOT_ACCESS_KEY_ID: owner.accessKeyId,
      ROOT_SECRET_ACCESS_KEY: owner.secretAccessKey,
    };
    const socket = join(folder, "iam.sock");
    const [iamPort, port] = [await freePort(), await freePort()];
    for (const name of ["iam", "buckets", "versions"]) await mkdir(join(folder, name));

    const iam = [
      "--quiet",
      "--port",
      `127.0.0.1:${iamPort}`,
      "iam",
      "--dir",
      join(folder, "iam"),
      "--private-ports",
      socket,
    ];
    await startRecorded({ label: "iam", command: VERSITYGW, args: iam, env, runFolder: folder });
    await waitForPort(iamPort, folder, "iam");
    const gateway = ["--quiet", "--port", `127.0.0.1:${port}`, "--region", REGION, "--iam-standalone-endpoint", socket];
    const posix = ["posix", "--versioning-dir", join(folder, "versions"), join(folder, "buckets")];
    await startRecorded({ label: "gateway", command: VERSITYGW, args: [...gateway, ...posix], env, runFolder: folder });
    await waitForPort(port, folder, "gateway");

    const endpoint = `http://127.0.0.1:${port}`;
    return { endpoint, owner, iam: { endpoint: `http://127.0.0.1:${iamPort}`, credentials: owner } };
  },

  async createUser({ iam }, name, policies) {
    const api = { ...iam, region: REGION };
    await createIamUser(api, name);
    await putUserPolicies(api, name, policies);
    return createAccessKey(api, name);
  },

  createQueue: () =>
    Promise.reject(new Unsupported("versitygw sends events to Kafka, NATS, RabbitMQ or a webhook, not to SQS")),
};
