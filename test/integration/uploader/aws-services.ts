/**
 * What hands out temporary credentials in AWS, on loopback: an instance's metadata service (IMDSv2 alone), a container's
 * credential endpoint, STS, and IAM Identity Center's portal. Sources: the EC2 user guide ("Use the Instance Metadata
 * Service"), the SDKs and tools reference guide ("Container credential provider"), the API references of STS and SSO.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface AwsServices extends AsyncDisposable {
  readonly endpoint: string;
  /** What was asked for, in order: `METHOD path`, for STS `POST Action`. */
  readonly asked: readonly string[];
  /** Asked anew for each answer. */
  give: () => TemporaryCredentials;
  /** Whether every request is refused, as for a role that has been taken away. */
  refuses: boolean;
}

export const CONTAINER_TOKEN = "pod-identity-token";
export const WEB_IDENTITY_TOKEN = "header.payload.signature";
export const SSO_TOKEN = "sso-access-token";
const METADATA_TOKEN = "AQAEmetadata";
const ROLE = "airlock-web1";

export async function startAwsServices(give: () => TemporaryCredentials): Promise<AwsServices> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const form = new URLSearchParams(body);
      const action = form.get("Action");
      asked.push(`${request.method} ${action ?? request.url}`);
      if (services.refuses) refuse(response, action);
      else if (action !== null) answerSts(action, form, request, response, services.give());
      else answerGet(request, response, services.give());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const services: AwsServices = {
    endpoint: `http://127.0.0.1:${address.port}`,
    asked,
    give,
    refuses: false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return services;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (chunk instanceof Buffer) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function refuse(response: ServerResponse, action: string | null): void {
  if (action === null) return void response.writeHead(404).end();
  response
    .writeHead(403, { "content-type": "text/xml" })
    .end(
      `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts:${action}</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
    );
}

function answerGet(request: IncomingMessage, response: ServerResponse, credentials: TemporaryCredentials): void {
  const { method, url = "", headers } = request;
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = credentials;
  const document = {
    Code: "Success",
    Type: "AWS-HMAC",
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: expiration.toISOString(),
    LastUpdated: new Date().toISOString(),
  };
  const json = (value: unknown): void =>
    void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
  if (
    method === "PUT" &&
    url === "/latest/api/token" &&
    headers["x-aws-ec2-metadata-token-ttl-seconds"] !== undefined
  ) {
    response.writeHead(200).end(METADATA_TOKEN);
  } else if (url.startsWith("/latest/")) {
    if (headers["x-aws-ec2-metadata-token"] !== METADATA_TOKEN) response.writeHead(401).end();
    else if (url === "/latest/meta-data/iam/security-credentials/") response.writeHead(200).end(ROLE);
    else if (url === `/latest/meta-data/iam/security-credentials/${ROLE}`) json(document);
    else response.writeHead(404).end();
  } else if (url === "/v1/credentials") {
    if (headers.authorization === CONTAINER_TOKEN) json(document);
    else response.writeHead(401).end();
  } else if (url.startsWith("/federation/credentials?")) {
    if (headers["x-amz-sso_bearer_token"] !== SSO_TOKEN) return void response.writeHead(401).end();
    json({ roleCredentials: { accessKeyId, secretAccessKey, sessionToken, expiration: expiration.getTime() } });
  } else response.writeHead(404).end();
}

function answerSts(
  action: string,
  form: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
  credentials: TemporaryCredentials,
): void {
  const isIdentified =
    action === "AssumeRoleWithWebIdentity"
      ? form.get("WebIdentityToken") === WEB_IDENTITY_TOKEN
      : request.headers.authorization?.startsWith("AWS4-HMAC-SHA256 Credential=AKIASOURCE/") === true;
  if (!isIdentified) return refuse(response, action);
  const arn = form.get("RoleArn") ?? "";
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = credentials;
  response
    .writeHead(200, { "content-type": "text/xml" })
    .end(
      `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey><SessionToken>${sessionToken}</SessionToken><Expiration>${expiration.toISOString()}</Expiration></Credentials><AssumedRoleUser><Arn>${arn}/airlock</Arn><AssumedRoleId>AROA:airlock</AssumedRoleId></AssumedRoleUser></${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`,
    );
}
