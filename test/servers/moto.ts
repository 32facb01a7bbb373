/** moto's server: https://github.com/getmoto/moto. Each account is one process, which keeps everything in memory. */
import { join } from "node:path";
import { z } from "zod";
import { installFolder } from "./cache.ts";
import { createAccessKey, createIamUser, putUserPolicies } from "./iam.ts";
import { installPythonPackage, isPythonPackageInstalled } from "./install-programs.ts";
import { freePort, startRecorded, waitForPort } from "./processes.ts";
import { REGION, randomCredentials } from "./real-server.ts";
import type { RealServer } from "./real-server.ts";
import type { PolicyDocument } from "./server.ts";
import { callSqs } from "./sqs.ts";

const VERSION = "5.2.5";
const FOLDER = installFolder("moto", VERSION);

export const moto: RealServer = {
  name: "moto",
  title: `moto ${VERSION}`,
  install: () => installPythonPackage("moto[server]", VERSION, FOLDER, "moto.server"),

  isInstalled: () => isPythonPackageInstalled(FOLDER),

  async launch(folder) {
    const port = await freePort();
    await startRecorded({
      label: "moto",
      command: join(FOLDER, "bin", "python"),
      args: ["-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)],
      runFolder: folder,
    });
    await waitForPort(port, folder, "moto");

    const endpoint = `http://127.0.0.1:${port}`;
    const anyone = { endpoint, region: REGION, credentials: randomCredentials() };
    await createIamUser(anyone, "owner");
    await putUserPolicies(anyone, "owner", [
      { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] },
    ]);
    const owner = await createAccessKey(anyone, "owner");
    await startCheckingPolicies(endpoint);
    return { endpoint, owner, iam: { endpoint, credentials: owner } };
  },

  async createUser({ iam }, name, policies) {
    const api = { ...iam, region: REGION };
    await createIamUser(api, name);
    await putUserPolicies(api, name, policies.map(withoutConditionalDenials));
    return createAccessKey(api, name);
  },

  async createQueue(account, name) {
    const created = await callSqs(account.endpoint, REGION, account.owner, "CreateQueue", { QueueName: name });
    const { QueueUrl: url } = z.object({ QueueUrl: z.string() }).parse(created);
    const AttributeNames = ["QueueArn"];
    const found = await callSqs(account.endpoint, REGION, account.owner, "GetQueueAttributes", {
      QueueUrl: url,
      AttributeNames,
    });
    return { url, arn: z.object({ Attributes: z.object({ QueueArn: z.string() }) }).parse(found).Attributes.QueueArn };
  },
};

/** moto looks at no condition, so that a denial that has one would deny always. */
function withoutConditionalDenials(policy: PolicyDocument): PolicyDocument {
  return {
    ...policy,
    Statement: policy.Statement.filter(({ Effect, Condition }) => Effect === "Allow" || Condition === undefined),
  };
}

/** Until this call moto lets everybody do everything; from then on users are still made, by a user who may. */
async function startCheckingPolicies(endpoint: string): Promise<void> {
  const answer = await fetch(`${endpoint}/moto-api/reset-auth`, {
    method: "POST",
    body: "0",
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`moto did not start to check policies: ${answer.status}`);
  await answer.text();
}
