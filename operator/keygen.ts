import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";

export interface AgeKeyPair {
  /** `AGE-SECRET-KEY-1…`, or with post-quantum keys `AGE-SECRET-KEY-PQ-1…` */
  readonly identity: string;
  /** `age1…` or `age1pq1…` */
  readonly recipient: string;
}

export async function generateAgeKeyPair(postQuantum: boolean): Promise<AgeKeyPair> {
  const identity = await (postQuantum ? generateHybridIdentity() : generateX25519Identity());
  return { identity, recipient: await identityToRecipient(identity) };
}

/** As age-keygen writes it, so that `age -d -i` reads it. */
export function formatIdentityFile(pair: AgeKeyPair, now: Date): string {
  return `# created: ${now.toISOString()}\n# public key: ${pair.recipient}\n${pair.identity}\n`;
}
