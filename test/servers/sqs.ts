/** SQS's JSON protocol, as far as tests need it. */
import type { Credentials } from "./server.ts";
import { sendSigned } from "./sign.ts";

export async function callSqs(
  endpoint: string,
  region: string,
  credentials: Credentials,
  action: string,
  input: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const answer = await sendSigned({
    method: "POST",
    url: new URL("/", endpoint),
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
    body: JSON.stringify(input),
    service: "sqs",
    region,
    credentials,
  });
  if (answer.status !== 200) throw new Error(`${action} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
  return answer.text === "" ? {} : JSON.parse(answer.text);
}
