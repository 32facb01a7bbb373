/** The setup file of main.ts, parsed: what it does not know is an error. */
import type { BucketOptions, Credentials, PolicyDocument } from "./server.ts";

export interface AccountSetup {
  readonly keys: Credentials | undefined;
  readonly users: ReadonlyMap<
    string,
    { readonly policies: readonly PolicyDocument[]; readonly keys: Credentials | undefined }
  >;
  readonly buckets: ReadonlyMap<string, BucketOptions>;
  readonly queues: readonly string[];
}

export interface Setup {
  readonly region: string | undefined;
  readonly accounts: ReadonlyMap<string, AccountSetup>;
}

export function parseSetup(value: unknown): Setup {
  const setup = record(value, "setup", ["region", "accounts"]);
  const region = setup["region"];
  if (region !== undefined && typeof region !== "string") throw new Error("setup.region: a string is expected");
  const accounts = entries(setup["accounts"], "accounts").map(([name, account]): [string, AccountSetup] => [
    name,
    parseAccount(account, `accounts.${name}`),
  ]);
  return { region, accounts: new Map(accounts) };
}

function parseAccount(value: unknown, path: string): AccountSetup {
  const account = record(value, path, ["keys", "users", "buckets", "queues"]);
  const users = entries(account["users"], `${path}.users`).map(
    ([name, raw]): [string, { policies: PolicyDocument[]; keys: Credentials | undefined }] => {
      const user = record(raw, `${path}.users.${name}`, ["policies", "keys"]);
      const policies: unknown = user["policies"] ?? [];
      if (!Array.isArray(policies)) throw new Error(`${path}.users.${name}.policies: a list is expected`);
      // createUser parses each policy again and refuses what isn't one.
      return [
        name,
        { policies: policies as PolicyDocument[], keys: parseKeys(user["keys"], `${path}.users.${name}.keys`) },
      ];
    },
  );
  const buckets = entries(account["buckets"], `${path}.buckets`).map(([name, raw]): [string, BucketOptions] => [
    name,
    // createBucket parses the policy; the other options are checked here.
    checkBucket(
      record(raw, `${path}.buckets.${name}`, ["versioning", "objectLock", "policy", "region"]),
      `${path}.buckets.${name}`,
    ),
  ]);
  const queues: unknown = account["queues"] ?? [];
  if (!Array.isArray(queues)) throw new Error(`${path}.queues: a list of names is expected`);
  return {
    keys: parseKeys(account["keys"], `${path}.keys`),
    users: new Map(users),
    buckets: new Map(buckets),
    queues: queues.map(String),
  };
}

function checkBucket(options: Readonly<Record<string, unknown>>, path: string): BucketOptions {
  const { versioning, objectLock } = options;
  if (versioning !== undefined && typeof versioning !== "boolean")
    throw new Error(`${path}.versioning: true or false is expected`);
  if (objectLock !== undefined && typeof objectLock !== "boolean") {
    const rule = record(objectLock, `${path}.objectLock`, ["mode", "days"]);
    const isRule = (rule["mode"] === "GOVERNANCE" || rule["mode"] === "COMPLIANCE") && typeof rule["days"] === "number";
    if (!isRule) throw new Error(`${path}.objectLock: mode (GOVERNANCE or COMPLIANCE) and days are expected`);
  }
  // The policy is parsed by createBucket.
  return options;
}

function parseKeys(value: unknown, path: string): Credentials | undefined {
  if (value === undefined) return undefined;
  const { accessKeyId, secretAccessKey } = record(value, path, ["accessKeyId", "secretAccessKey"]);
  if (typeof accessKeyId !== "string" || typeof secretAccessKey !== "string") {
    throw new Error(`${path}: accessKeyId and secretAccessKey are expected`);
  }
  return { accessKeyId, secretAccessKey };
}

function record(value: unknown, path: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${path}: an object is expected`);
  for (const name of Object.keys(value)) if (!known.includes(name)) throw new Error(`${path}.${name}: not known`);
  // An object that is neither null nor an array; its values stay unknown.
  return value as Readonly<Record<string, unknown>>;
}

function entries(value: unknown, path: string): [string, unknown][] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${path}: an object is expected`);
  return Object.entries(value);
}
