/**
 * The S3 server as a process of its own:
 *
 *     node test/s3-server/main.ts --dir DIR --setup FILE.json [--port N]
 *
 * FILE.json:
 *
 *     { "region": "eu-central-1",
 *       "accounts": { "acme": {
 *         "keys": { "accessKeyId": "…", "secretAccessKey": "…" },        optional, a further key of the root
 *         "users": { "web1": { "policies": [{…}], "keys": {…} } },       keys optional: made up otherwise
 *         "buckets": { "acme-dropzone": { "versioning": true, "objectLock": { "mode": "COMPLIANCE", "days": 1 }, "policy": {…} } },
 *         "queues": ["events"] } } }
 *
 * Prints one line of JSON when it listens:
 *
 *     { "endpoint": "http://127.0.0.1:4711", "accounts": { "acme": { "id": "…", "owner": {…}, "users": { "web1": {…} }, "queues": { "events": { "url", "arn" } } } } }
 *
 * and ends on SIGTERM, SIGINT or the end of stdin.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { parseSetup, type AccountSetup } from "./setup.ts";
import { startS3Server, type Account, type Credentials } from "./server.ts";

const { values } = parseArgs({
  options: { dir: { type: "string" }, port: { type: "string" }, setup: { type: "string" } },
});
if (values.dir === undefined || values.setup === undefined) {
  console.error("usage: node test/s3-server/main.ts --dir DIR --setup FILE.json [--port N]");
  process.exit(2);
}
const setup = parseSetup(JSON.parse(await readFile(values.setup, "utf8")));
const server = await startS3Server({
  dir: values.dir,
  port: Number(values.port ?? 0),
  ...(setup.region === undefined ? {} : { region: setup.region }),
});
const accounts = Object.fromEntries(
  [...setup.accounts].map(([name, account]) => [name, prepare(server.createAccount(name), account)]),
);
process.stdout.write(`${JSON.stringify({ endpoint: server.endpoint, region: server.region, accounts })}\n`);

const end = (): void => {
  server.close().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
};
process.once("SIGTERM", end);
process.once("SIGINT", end);
process.stdin.once("end", end);
process.stdin.resume();

function prepare(account: Account, { keys, users, buckets, queues }: AccountSetup): Record<string, unknown> {
  if (keys !== undefined) account.addKey(keys);
  const credentials = Object.fromEntries(
    [...users].map(([name, user]): [string, Credentials] => {
      const made = account.createUser(name, ...user.policies);
      if (user.keys === undefined) return [name, made];
      account.addKey(user.keys, name);
      return [name, user.keys];
    }),
  );
  for (const [name, options] of buckets) account.createBucket(name, options);
  const made = Object.fromEntries(queues.map((name) => [name, account.createQueue(name)]));
  return { id: account.id, owner: keys ?? account.owner, users: credentials, queues: made };
}
