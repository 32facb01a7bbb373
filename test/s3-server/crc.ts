/**
 * CRC-32C (Castagnoli) and CRC-64/NVME, reflected, slice-by-8, and the combination of the CRCs of two
 * adjoining pieces (needed for full-object checksums of multipart uploads). CRC-32 itself is node:zlib's.
 */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

/** An incremental checksum; `digest` gives its bytes, big-endian as S3 sends them. */
export interface RunningChecksum {
  update(chunk: Uint8Array): void;
  digest(): Buffer;
}

const POLYNOMIAL_32 = 0xedb88320n;
const POLYNOMIAL_32C = 0x82f63b78n;
const POLYNOMIAL_64NVME = 0x9a6c9329ac4bc9b5n;

export function createCrc32(): RunningChecksum {
  let value = 0;
  return {
    update: (chunk) => {
      value = crc32(chunk, value);
    },
    digest: () => bytesOf32(value),
  };
}

export function createCrc32c(): RunningChecksum {
  const tables = tables32c();
  let state = 0xffffffff | 0;
  return {
    update: (chunk) => {
      state = update32(tables, state, chunk);
    },
    digest: () => bytesOf32((state ^ 0xffffffff) >>> 0),
  };
}

function bytesOf32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

let lazyTables32c: Int32Array | undefined;

/** Eight tables of 256 entries, end to end. */
function tables32c(): Int32Array {
  if (lazyTables32c !== undefined) return lazyTables32c;
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ Number(POLYNOMIAL_32C) : value >>> 1;
    tables[byte] = value;
  }
  for (let index = 256; index < tables.length; index++) {
    const previous = tables[index - 256] ?? 0;
    tables[index] = (previous >>> 8) ^ (tables[previous & 255] ?? 0);
  }
  lazyTables32c = tables;
  return tables;
}

/* The tables below are indexed by bytes, always inside their length: the `!` spares a test per byte in the hot loop. */
/* oxlint-disable typescript/no-non-null-assertion */
function update32(t: Int32Array, start: number, chunk: Uint8Array): number {
  let crc = start;
  let at = 0;
  const blocks = chunk.length - 7;
  for (; at < blocks; at += 8) {
    crc ^= chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 24);
    crc =
      t[1792 + (crc & 255)]! ^
      t[1536 + ((crc >>> 8) & 255)]! ^
      t[1280 + ((crc >>> 16) & 255)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + chunk[at + 4]!]! ^
      t[512 + chunk[at + 5]!]! ^
      t[256 + chunk[at + 6]!]! ^
      t[chunk[at + 7]!]!;
  }
  for (; at < chunk.length; at++) crc = (crc >>> 8) ^ t[(crc ^ chunk[at]!) & 255]!;
  return crc;
}

let lazyTables64: { readonly high: Int32Array; readonly low: Int32Array } | undefined;

function tables64(): { readonly high: Int32Array; readonly low: Int32Array } {
  if (lazyTables64 !== undefined) return lazyTables64;
  const entries: bigint[] = [];
  for (let byte = 0n; byte < 256n; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL_64NVME : value >> 1n;
    entries.push(value);
  }
  for (let index = 256; index < 8 * 256; index++) {
    const previous = entries[index - 256]!;
    entries.push((previous >> 8n) ^ entries[Number(previous & 255n)]!);
  }
  lazyTables64 = {
    high: Int32Array.from(entries, (value) => Number(BigInt.asIntN(32, value >> 32n))),
    low: Int32Array.from(entries, (value) => Number(BigInt.asIntN(32, value))),
  };
  return lazyTables64;
}

export function createCrc64Nvme(): RunningChecksum {
  const { high: h, low: l } = tables64();
  let high = -1;
  let low = -1;
  const update = (chunk: Uint8Array): void => {
    let at = 0;
    const blocks = chunk.length - 7;
    for (; at < blocks; at += 8) {
      const a = low ^ (chunk[at]! | (chunk[at + 1]! << 8) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 24));
      const b = high ^ (chunk[at + 4]! | (chunk[at + 5]! << 8) | (chunk[at + 6]! << 16) | (chunk[at + 7]! << 24));
      const i0 = 1792 + (a & 255);
      const i1 = 1536 + ((a >>> 8) & 255);
      const i2 = 1280 + ((a >>> 16) & 255);
      const i3 = 1024 + (a >>> 24);
      const i4 = 768 + (b & 255);
      const i5 = 512 + ((b >>> 8) & 255);
      const i6 = 256 + ((b >>> 16) & 255);
      const i7 = b >>> 24;
      low = l[i0]! ^ l[i1]! ^ l[i2]! ^ l[i3]! ^ l[i4]! ^ l[i5]! ^ l[i6]! ^ l[i7]!;
      high = h[i0]! ^ h[i1]! ^ h[i2]! ^ h[i3]! ^ h[i4]! ^ h[i5]! ^ h[i6]! ^ h[i7]!;
    }
    for (; at < chunk.length; at++) {
      const index = (low ^ chunk[at]!) & 255;
      low = ((low >>> 8) | (high << 24)) ^ l[index]!;
      high = (high >>> 8) ^ h[index]!;
    }
  };
  const digest = (): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(~high >>> 0, 0);
    bytes.writeUInt32BE(~low >>> 0, 4);
    return bytes;
  };
  return { update, digest };
}
/* oxlint-enable typescript/no-non-null-assertion */

export type CrcName = "CRC32" | "CRC32C" | "CRC64NVME";

const parameters: Readonly<Record<CrcName, { readonly bits: number; readonly polynomial: bigint }>> = {
  CRC32: { bits: 32, polynomial: POLYNOMIAL_32 },
  CRC32C: { bits: 32, polynomial: POLYNOMIAL_32C },
  CRC64NVME: { bits: 64, polynomial: POLYNOMIAL_64NVME },
};

/** The CRC of A followed by B, from the CRCs of each and B's length: A's register is shifted through B's zeros. */
export function combineCrc(name: CrcName, first: Buffer, second: Buffer, secondBytes: number): Buffer {
  const { bits, polynomial } = parameters[name];
  const shifted = multiply(toBigInt(first), powerOfX(BigInt(secondBytes) * 8n, bits, polynomial), bits, polynomial);
  const bytes = Buffer.alloc(bits / 8);
  const value = shifted ^ toBigInt(second);
  if (bits === 32) bytes.writeUInt32BE(Number(value));
  else bytes.writeBigUInt64BE(value);
  return bytes;
}

function toBigInt(bytes: Buffer): bigint {
  return bytes.length === 4 ? BigInt(bytes.readUInt32BE()) : bytes.readBigUInt64BE();
}

/** Product of two polynomials over GF(2) modulo the CRC's, all reflected (the top bit is x⁰). */
function multiply(a: bigint, b: bigint, bits: number, polynomial: bigint): bigint {
  let product = 0n;
  let factor = b;
  for (let bit = bits - 1; bit >= 0; bit--) {
    if ((a >> BigInt(bit)) & 1n) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

function powerOfX(exponent: bigint, bits: number, polynomial: bigint): bigint {
  let result = 1n << BigInt(bits - 1);
  let square = 1n << BigInt(bits - 2);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = multiply(result, square, bits, polynomial);
    square = multiply(square, square, bits, polynomial);
  }
  return result;
}
