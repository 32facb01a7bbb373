/** SNS, as far as a fan-out of events needs it: its query protocol. */
import type { Credentials } from "./server.ts";
import { sendSigned } from "./sign.ts";

export interface Sns {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
}

/** Returns the topic's ARN. */
export async function createTopic(sns: Sns, name: string): Promise<string> {
  const text = await callSns(sns, { Action: "CreateTopic", Name: name });
  const arn = /<TopicArn>([^<]+)<\/TopicArn>/.exec(text)?.[1];
  if (arn === undefined) throw new Error(`CreateTopic answered ${text.slice(0, 500)}`);
  return arn;
}

/** `raw`: without SNS's envelope. */
export async function subscribeQueue(sns: Sns, topicArn: string, queueArn: string, raw: boolean): Promise<void> {
  await callSns(sns, {
    Action: "Subscribe",
    TopicArn: topicArn,
    Protocol: "sqs",
    Endpoint: queueArn,
    "Attributes.entry.1.key": "RawMessageDelivery",
    "Attributes.entry.1.value": String(raw),
  });
}

async function callSns(
  { endpoint, region, credentials }: Sns,
  input: Readonly<Record<string, string>>,
): Promise<string> {
  const answer = await sendSigned({
    method: "POST",
    url: new URL("/", endpoint),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ Version: "2010-03-31", ...input }).toString(),
    service: "sns",
    region,
    credentials,
  });
  if (answer.status !== 200)
    throw new Error(`${input["Action"]} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  return answer.text;
}
