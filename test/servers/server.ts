/**
 * What every S3 server of the tests offers, the embedded one and the real ones alike: two accounts on loopback in
 * which buckets and users can be made. What a server does differently from AWS is not here but in what the contract
 * suite finds out.
 */

export type ServerName = "embedded" | "versitygw" | "rgw" | "moto";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface PolicyStatement {
  readonly Sid?: string;
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  /** Operator → condition key → values, as in IAM. */
  readonly Condition?: { readonly [operator: string]: { readonly [key: string]: string | readonly string[] } };
}

/** An IAM policy document for a user: no principal, since the user that holds it is the principal. */
export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

export interface BucketOptions {
  readonly versioning?: boolean;
  /** Implies versioning. No default retention is set. */
  readonly objectLock?: boolean;
}

export interface StoreAccount {
  readonly endpoint: string;
  /** May do everything in this account and nothing in the other one. */
  readonly owner: Credentials;
  createBucket(name: string, options?: BucketOptions): Promise<void>;
  /**
   * A user whose key may do what the documents allow, by user policy. Rejects with {@link Unsupported} where the
   * server has no way to express that.
   */
  createUser(name: string, bucket: string, policies: readonly PolicyDocument[]): Promise<Credentials>;
  /** Rejects with {@link Unsupported} where there is no SQS. Its API is at the URL's origin. */
  createQueue(name: string): Promise<Queue>;
}

export interface Queue {
  readonly url: string;
  readonly arn: string;
}

/** A server that is up. Disposing of it stops what was started for it; one that was already up stays up. */
export interface RunningServer extends AsyncDisposable {
  readonly name: ServerName;
  readonly region: string;
  /** Separate processes (embedded: separate accounts of one process) that share no user and no bucket. */
  readonly dropZone: StoreAccount;
  readonly vault: StoreAccount;
}

/** The server can't do what set-up asks of it; the message says what and why. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}

/** Something that has to be on the machine first is not; the message names it and says how to get it. */
export class Missing extends Error {
  override readonly name = "Missing";
}
