import { randomBytes } from "node:crypto";
import { parsePolicy, type PolicyDocument, type Principal, type Statement } from "./policy.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface User {
  readonly name: string;
  statements: readonly Statement[];
}

export interface AccountState {
  readonly id: string;
  readonly name: string;
  /** The account's canonical id: 64 hex digits, as ACLs and listings name owners. */
  readonly canonicalId: string;
  readonly users: Map<string, User>;
}

/** Whom an access key belongs to. */
export interface KeyHolder {
  readonly secret: string;
  readonly account: AccountState;
  /** Undefined: the account's root. */
  readonly user: User | undefined;
  readonly principal: Principal;
}

export interface Accounts {
  readonly byId: ReadonlyMap<string, AccountState>;
  add(name: string): AccountState;
  /** A new access key, or the given one; `userName` undefined for the root. */
  addKey(account: AccountState, userName: string | undefined, fixed?: Credentials): Credentials;
  setPolicies(account: AccountState, userName: string, policies: readonly PolicyDocument[]): void;
  holderOf(accessKeyId: string): KeyHolder | undefined;
}

export function createAccounts(): Accounts {
  const byId = new Map<string, AccountState>();
  const keys = new Map<string, KeyHolder>();

  const userOf = (account: AccountState, name: string): User => {
    if (!/^[\w+=,.@-]{1,64}$/.test(name)) throw new Error(`not a user name: ${name}`);
    let user = account.users.get(name);
    if (user === undefined) {
      user = { name, statements: [] };
      account.users.set(name, user);
    }
    return user;
  };
  return {
    byId,
    add: (name) => {
      const id = String(100_000_000_001 + byId.size * 111_111_111);
      const account = { id, name, canonicalId: randomBytes(32).toString("hex"), users: new Map<string, User>() };
      byId.set(id, account);
      return account;
    },
    addKey: (account, userName, fixed) => {
      const user = userName === undefined ? undefined : userOf(account, userName);
      const credentials = fixed ?? createCredentials();
      if (keys.has(credentials.accessKeyId)) throw new Error(`access key ${credentials.accessKeyId} exists already`);
      const arn = `arn:aws:iam::${account.id}:${userName === undefined ? "root" : `user/${userName}`}`;
      keys.set(credentials.accessKeyId, {
        secret: credentials.secretAccessKey,
        account,
        user,
        principal: { accountId: account.id, userName, arn },
      });
      return credentials;
    },
    setPolicies: (account, userName, policies) => {
      userOf(account, userName).statements = policies.flatMap((policy) => parsePolicy(policy, "identity"));
    },
    holderOf: (accessKeyId) => keys.get(accessKeyId),
  };
}

function createCredentials(): Credentials {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const id = Array.from(randomBytes(16), (byte) => alphabet[byte % 32]).join("");
  return { accessKeyId: `AKIA${id}`, secretAccessKey: randomBytes(30).toString("base64") };
}
