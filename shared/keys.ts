import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { AirlockError } from "./errors.ts";

const PREFIX = "ed25519:";

/** A host's or mover's public key, with the time in which what it signs counts. */
export interface PublicKey {
  /** `ed25519:<base64 of the 32 raw bytes>` */
  readonly text: string;
  /** First 16 hex digits of SHA-256 of the raw bytes. */
  readonly id: string;
  readonly key: KeyObject;
  readonly from: Date | null;
  readonly until: Date | null;
}

export interface SigningKey {
  readonly public: PublicKey;
  readonly key: KeyObject;
}

export function generateSigningKey(): SigningKey {
  return signingKeyOf(generateKeyPairSync("ed25519").privateKey);
}

/** Reads a PKCS #8 PEM file's text (what `init` writes, and `openssl genpkey -algorithm ed25519`). */
export function parseSigningKey(pem: string, file: string): SigningKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new AirlockError("key-file", `${file} holds no private key`, {
      subject: file,
      remedy: "make one with `init`, or restore the file from where you keep it",
      cause,
    });
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new AirlockError(
      "key-file",
      `${file} holds a key of type ${key.asymmetricKeyType ?? "unknown"}, not Ed25519`,
      {
        subject: file,
        remedy: "make one with `init`",
      },
    );
  }
  return signingKeyOf(key);
}

export function formatSigningKey(signingKey: SigningKey): string {
  return signingKey.key.export({ type: "pkcs8", format: "pem" });
}

function signingKeyOf(key: KeyObject): SigningKey {
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  return { public: parsePublicKey(`${PREFIX}${raw.toString("base64")}`), key };
}

/** @throws {AirlockError} `key-file` when the text is not exactly `ed25519:` and 32 bytes in base64. */
export function parsePublicKey(text: string, from: Date | null = null, until: Date | null = null): PublicKey {
  const raw = Buffer.from(text.slice(PREFIX.length), "base64");
  if (!text.startsWith(PREFIX) || raw.length !== 32 || raw.toString("base64") !== text.slice(PREFIX.length)) {
    throw new AirlockError("key-file", `not a public key: ${JSON.stringify(text.slice(0, 80))}`, {
      remedy: "write it as ed25519:<base64 of the 32 raw bytes>, as `init` prints it",
    });
  }
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  return { text, id: createHash("sha256").update(raw).digest("hex").slice(0, 16), key, from, until };
}

/** Ed25519 (RFC 8032) over the bytes as they are: 64 bytes. */
export function signBytes(signingKey: SigningKey, bytes: Uint8Array): Buffer {
  return sign(null, bytes, signingKey.key);
}

/** Those that count for what was signed at `at`. */
export function keysValidAt(keys: readonly PublicKey[], at: Date): readonly PublicKey[] {
  return keys.filter(({ from, until }) => (from === null || at >= from) && (until === null || at < until));
}

/** The first of `keys` that is valid at `at` and made this signature, or null. */
export function findSigner(
  keys: readonly PublicKey[],
  bytes: Uint8Array,
  signature: Uint8Array,
  at: Date,
): PublicKey | null {
  return keysValidAt(keys, at).find(({ key }) => verify(null, bytes, key, signature)) ?? null;
}
