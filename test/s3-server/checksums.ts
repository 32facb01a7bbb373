import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { combineCrc, createCrc32, createCrc32c, createCrc64Nvme, type CrcName, type RunningChecksum } from "./crc.ts";
import { S3Error } from "./errors.ts";

/** The algorithms that this server computes. The SDK knows XXHASH64, XXHASH3 and XXHASH128 too: those are refused. */
export const checksumNames = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5"] as const;
export type ChecksumName = (typeof checksumNames)[number];
export type ChecksumType = "COMPOSITE" | "FULL_OBJECT";

/** A checksum as S3 keeps it with an object or part; `value` is base64, `-N` behind it if composite. */
export interface StoredChecksum {
  readonly name: ChecksumName;
  readonly type: ChecksumType;
  readonly value: string;
}

const digestBytes: Readonly<Record<ChecksumName, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
};

export function createChecksum(name: ChecksumName): RunningChecksum {
  switch (name) {
    case "CRC32":
      return createCrc32();
    case "CRC32C":
      return createCrc32c();
    case "CRC64NVME":
      return createCrc64Nvme();
    default: {
      const hash = createHash(name.toLowerCase());
      return {
        update: (chunk) => {
          hash.update(chunk);
        },
        digest: () => hash.digest(),
      };
    }
  }
}

/** The algorithm of that name in any case; one that can't be computed is refused, never ignored. */
export function parseChecksumName(text: string): ChecksumName {
  const upper = text.toUpperCase();
  const found = checksumNames.find((name) => name === upper);
  if (found !== undefined) return found;
  if (upper.startsWith("XXHASH")) {
    throw new S3Error("NotImplemented", `This server does not compute the checksum ${upper}.`);
  }
  throw new S3Error(
    "InvalidRequest",
    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
  );
}

/** `x-amz-checksum-crc32` and so on. */
export function checksumHeader(name: ChecksumName): string {
  return `x-amz-checksum-${name.toLowerCase()}`;
}

/** The element that carries it in XML: `ChecksumCRC32`. */
export function checksumElement(name: ChecksumName): string {
  return `Checksum${name}`;
}

export interface DeclaredChecksum {
  readonly name: ChecksumName;
  /** Base64; undefined when it comes in the trailer. */
  readonly value: string | undefined;
}

const notValues = new Set(["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"]);

/** The checksum that a request's headers declare, by value or as a trailer to come; more than one is refused, as by S3. */
export function declaredChecksum(headers: ReadonlyMap<string, string>): DeclaredChecksum | undefined {
  let found: DeclaredChecksum | undefined;
  for (const [header, value] of headers) {
    if (!header.startsWith("x-amz-checksum-") || notValues.has(header)) continue;
    if (found !== undefined) {
      throw new S3Error(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
      );
    }
    const name = parseChecksumName(header.slice("x-amz-checksum-".length));
    checkLength(name, value, header);
    found = { name, value };
  }
  const trailer = headers.get("x-amz-trailer")?.trim().toLowerCase();
  if (trailer !== undefined) {
    if (!trailer.startsWith("x-amz-checksum-")) {
      throw new S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
    }
    if (found !== undefined) {
      throw new S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header");
    }
    found = { name: parseChecksumName(trailer.slice("x-amz-checksum-".length)), value: undefined };
  }
  const announced = headers.get("x-amz-sdk-checksum-algorithm");
  if (announced !== undefined && found !== undefined && parseChecksumName(announced) !== found.name) {
    throw new S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  return found;
}

export function checkLength(name: ChecksumName, value: string, header: string): void {
  if (Buffer.from(value, "base64").length !== digestBytes[name] || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) {
    throw new S3Error("InvalidRequest", `Value for ${header} header is invalid.`);
  }
}

/** Which types an algorithm may have in a multipart upload, the default first (S3 User Guide, "Checking object integrity"). */
export function multipartTypes(name: ChecksumName): readonly ChecksumType[] {
  switch (name) {
    case "CRC64NVME":
      return ["FULL_OBJECT"];
    case "CRC32":
    case "CRC32C":
      return ["COMPOSITE", "FULL_OBJECT"];
    default:
      return ["COMPOSITE"];
  }
}

export interface PartChecksum {
  readonly value: string;
  readonly sizeBytes: number;
}

export function completeChecksum(
  name: ChecksumName,
  type: ChecksumType,
  parts: readonly PartChecksum[],
): StoredChecksum {
  const values = parts.map((part) => Buffer.from(part.value, "base64"));
  if (type === "COMPOSITE") {
    const whole = createChecksum(name);
    for (const value of values) whole.update(value);
    return { name, type, value: `${whole.digest().toString("base64")}-${parts.length}` };
  }
  // multipartTypes allows FULL_OBJECT for CRCs only.
  const crc = name as CrcName;
  let combined: Buffer | undefined;
  values.forEach((value, index) => {
    combined = combined === undefined ? value : combineCrc(crc, combined, value, parts[index]?.sizeBytes ?? 0);
  });
  return { name, type, value: (combined ?? createChecksum(name).digest()).toString("base64") };
}
