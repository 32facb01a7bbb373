/** The few calls of the IAM API that set-up needs; versitygw, Ceph RGW and moto all answer them. */
import { sendSigned } from "./sign.ts";
import type { Credentials, PolicyDocument } from "./server.ts";

export interface IamApi {
  readonly endpoint: string;
  readonly region: string;
  /** Whoever may administer users. */
  readonly credentials: Credentials;
}

export async function createIamUser(api: IamApi, name: string): Promise<void> {
  await call(api, "CreateUser", { UserName: name });
}

export async function createAccessKey(api: IamApi, user: string): Promise<Credentials> {
  const answer = await call(api, "CreateAccessKey", { UserName: user });
  return { accessKeyId: element(answer, "AccessKeyId"), secretAccessKey: element(answer, "SecretAccessKey") };
}

export async function putUserPolicies(api: IamApi, user: string, policies: readonly PolicyDocument[]): Promise<void> {
  for (const [index, policy] of policies.entries()) {
    const document = JSON.stringify(policy);
    await call(api, "PutUserPolicy", { UserName: user, PolicyName: `policy-${index}`, PolicyDocument: document });
  }
}

async function call(api: IamApi, action: string, parameters: Record<string, string>): Promise<string> {
  const answer = await sendSigned({
    method: "POST",
    url: new URL("/", api.endpoint),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ Action: action, Version: "2010-05-08", ...parameters }).toString(),
    service: "iam",
    region: api.region,
    credentials: api.credentials,
  });
  if (answer.status !== 200) {
    throw new Error(`${action} at ${api.endpoint} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  }
  return answer.text;
}

function element(xml: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1];
  if (found === undefined) throw new Error(`no <${name}> in the IAM API's answer`);
  return found.replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">");
}
