/** Stacks in moto's CloudFormation. */
import { setTimeout as delay } from "node:timers/promises";
import type { Credentials } from "../servers/server.ts";
import { sendSigned } from "../servers/sign.ts";
import { readDocument, withoutConditionalDenials, type TemplateName } from "./template.ts";

export interface Deployment {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
}

const ATTEMPTS = 50;

/** @throws when the stack is not complete after a while */
export async function createStack(
  to: Deployment,
  stack: string,
  template: TemplateName,
  parameters: Readonly<Record<string, string>>,
): Promise<void> {
  const body = withoutConditionalDenials(await readDocument(template));
  const given = Object.entries(parameters).flatMap(([key, value], index): [string, string][] => [
    [`Parameters.member.${index + 1}.ParameterKey`, key],
    [`Parameters.member.${index + 1}.ParameterValue`, value],
  ]);
  await call(to, {
    Action: "CreateStack",
    StackName: stack,
    TemplateBody: JSON.stringify(body),
    "Capabilities.member.1": "CAPABILITY_NAMED_IAM",
    ...Object.fromEntries(given),
  });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const answer = await call(to, { Action: "DescribeStacks", StackName: stack });
    const status = /<StackStatus>([^<]+)<\/StackStatus>/.exec(answer)?.[1];
    if (status === "CREATE_COMPLETE") return;
    if (status !== "CREATE_IN_PROGRESS") throw new Error(`stack ${stack}: ${status}: ${answer.slice(0, 500)}`);
    await delay(100);
  }
  throw new Error(`stack ${stack} is not complete`);
}

async function call(
  { endpoint, region, credentials }: Deployment,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const answer = await sendSigned({
    method: "POST",
    url: new URL("/", endpoint),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ Version: "2010-05-15", ...parameters }).toString(),
    service: "cloudformation",
    region,
    credentials,
  });
  if (answer.status !== 200) throw new Error(`${parameters["Action"]}: ${answer.status}: ${answer.text.slice(0, 500)}`);
  return answer.text;
}
