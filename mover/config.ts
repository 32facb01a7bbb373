import { z } from "zod";
import { expectSchema, type Expectation } from "../shared/config/expect.ts";
import { readConfig, refuseUnserved } from "../shared/config/read-config.ts";
import type { StoreConfig } from "../shared/config/store-config.ts";
import { storeOf, storeSchema } from "../shared/config/store.ts";
import { durationSchema, sizeSchema } from "../shared/config/units.ts";
import {
  absolutePath,
  always,
  checkPlaintext,
  cronExpression,
  hostName,
  isRecord,
  mapOf,
  moverId,
  publicKeys,
  setName,
  webAddress,
} from "../shared/config/values.ts";
import type { PublicKey } from "../shared/keys.ts";
import { MAX_PARTS } from "./parts.ts";
import { explainSweep } from "./sweep-schedule.ts";

export interface MoverConfig {
  readonly id: string;
  readonly signingKeyFile: string;
  readonly dropZone: StoreConfig;
  readonly vault: StoreConfig;
  /** `readback` reads each object again before it is recorded; only then may the mover read `archive/`. */
  readonly verify: "checksum" | "readback";
  /** Of one upload to the vault: S3 takes 10,000, some stores fewer. */
  readonly maxParts: number;
  /** Of what goes to `archive/`; null: the bucket's own default. */
  readonly storageClass: string | null;
  readonly discover: DiscoverConfig;
  /** Objects moved at one time. */
  readonly concurrency: number;
  /** For all moves together. */
  readonly memoryBytes: number;
  readonly hosts: ReadonlyMap<string, HostPolicy>;
  /** A folder. */
  readonly state: string;
  readonly alerts: AlertsConfig | null;
  readonly metrics: { readonly textfile: string } | null;
  /** A file. */
  readonly report: string | null;
}

export interface DiscoverConfig {
  readonly pollMs: number;
  readonly sqs: { readonly queueUrl: string; readonly sweep: string } | null;
  /** This mover has the hosts whose number modulo `of` is `index` − 1. */
  readonly share: { readonly index: number; readonly of: number };
}

export interface HostPolicy {
  readonly publicKeys: readonly PublicKey[];
  readonly signatures: SignaturePolicy;
  /** Whether names of another form are moved too. */
  readonly foreign: boolean;
  readonly expect: ReadonlyMap<string, Expectation>;
  /** Of all its sets together. */
  readonly quota: Quota;
  /** Of single sets, on top of the host's. */
  readonly setQuotas?: ReadonlyMap<string, Quota>;
}

export type SignaturePolicy = "required" | "optional" | "none";

/** null: no limit. */
export interface Quota {
  readonly bytesPerDay: number | null;
  readonly objectsPerDay: number | null;
  readonly objectSizeBytes: number | null;
}

export interface AlertsConfig {
  readonly webhook: readonly string[];
  readonly heartbeat: string | null;
  readonly missingAfterMs: number;
}

const STORAGE_CLASS = "a storage class in capitals, such as STANDARD_IA";
/** A read of these needs a restore first, which takes hours. */
const COLD_CLASSES = ["GLACIER", "DEEP_ARCHIVE"];
const MAX_SHARES = 1000;

const vault = storeSchema({
  verify: z.enum(["checksum", "readback"]).default("checksum"),
  storageClass: z
    .string({ error: STORAGE_CLASS })
    .regex(/^[A-Z][A-Z0-9_]{1,63}$/, { error: STORAGE_CLASS })
    .optional(),
  parts: z.strictObject({ max: wholeNumber(100, MAX_PARTS).default(MAX_PARTS) }).default({ max: MAX_PARTS }),
}).superRefine((value: unknown, context) => {
  if (!isRecord(value) || value.verify !== "readback") return;
  if (!COLD_CLASSES.some((name) => name === value.storageClass)) return;
  const message = "a class that can be read at once, since verify is readback";
  context.addIssue({ code: "custom", path: ["storageClass"], message });
}, always);

const SHARE = "i/n with i from 1 to n, such as 1/3";
const share = z.string({ error: SHARE }).transform((text, context) => {
  const match = /^([1-9]\d{0,3})\/([1-9]\d{0,3})$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match !== null && index <= of && of <= MAX_SHARES) return { index, of };
  context.addIssue({ code: "custom", message: SHARE });
  return z.NEVER;
});

const sqs = z
  .strictObject({
    queueUrl: webAddress,
    sweep: cronExpression
      .pipe(
        z.string().superRefine((expression, context) => {
          const fault = explainSweep(expression);
          if (fault !== null) context.addIssue({ code: "custom", message: `a schedule that comes due: ${fault}` });
        }),
      )
      .default("*/10 * * * *"),
    allowPlaintext: z.boolean().optional(),
  })
  .superRefine((value: unknown, context) => checkPlaintext(value, ["queueUrl"], context), always);

const discover = z.strictObject({
  poll: durationSchema({ min: "10ms", max: "1d" }).default(1000),
  sqs: sqs.optional(),
  share: share.default({ index: 1, of: 1 }),
});

const SIGNATURES = ["required", "optional", "none"] as const;

const limits = z.strictObject({
  bytesPerDay: sizeSchema({ min: "1B" }).optional(),
  objectsPerDay: wholeNumber(1, 1_000_000_000).optional(),
  objectSize: sizeSchema({ min: "1B" }).optional(),
});

const host = z
  .strictObject({
    publicKeys: publicKeys.default([]),
    signatures: z.enum(SIGNATURES).default("required"),
    foreign: z.boolean().default(false),
    expect: expectSchema.default(new Map()),
    quota: z
      .strictObject({ ...limits.shape, sets: mapOf(setName, limits).default(new Map()) })
      .default({ sets: new Map() }),
  })
  .superRefine((value: unknown, context) => {
    if (!isRecord(value) || value.signatures === "none") return;
    if (!Array.isArray(value.publicKeys) || value.publicKeys.length > 0) return;
    const message = "at least one public key, or signatures: none for a host that signs nothing";
    context.addIssue({ code: "custom", path: ["publicKeys"], message });
  }, always)
  .transform(({ quota, ...given }): HostPolicy => ({
    ...given,
    quota: quotaOf(quota),
    setQuotas: new Map([...quota.sets].map(([name, ofSet]) => [name, quotaOf(ofSet)])),
  }));

const alerts = z
  .strictObject({
    webhook: z.array(webAddress, { error: "a list of https:// addresses" }).default([]),
    heartbeat: webAddress.optional(),
    missingAfter: durationSchema({ min: "1m", max: "365d" }).default(3_600_000),
    allowPlaintext: z.boolean().optional(),
  })
  .superRefine((value: unknown, context) => checkPlaintext(value, ["webhook", "heartbeat"], context), always);

const HOSTS = "at least one host, such as web1: { publicKeys: [ed25519:…] }";

export const moverSchema = z
  .strictObject({
    id: moverId,
    signingKey: absolutePath,
    dropZone: storeSchema({}),
    vault,
    discover: discover.default({ poll: 1000, share: { index: 1, of: 1 } }),
    concurrency: wholeNumber(1, 1024).default(32),
    memory: sizeSchema({ min: "64MiB" }).default(512 * 2 ** 20),
    hosts: mapOf(hostName, host).refine((hosts) => hosts.size > 0, { error: HOSTS }),
    state: absolutePath,
    alerts: alerts.optional(),
    metrics: z.strictObject({ textfile: absolutePath }).optional(),
    report: absolutePath.optional(),
  })
  .superRefine(checkStores, always)
  .transform((given): MoverConfig => ({
    id: given.id,
    signingKeyFile: given.signingKey,
    dropZone: storeOf(given.dropZone),
    vault: storeOf(given.vault),
    verify: given.vault.verify,
    maxParts: given.vault.parts.max,
    storageClass: given.vault.storageClass ?? null,
    discover: { pollMs: given.discover.poll, sqs: sqsOf(given.discover.sqs), share: given.discover.share },
    concurrency: given.concurrency,
    memoryBytes: given.memory,
    hosts: given.hosts,
    state: given.state,
    alerts: alertsOf(given.alerts),
    metrics: given.metrics ?? null,
    report: given.report ?? null,
  }));

/** A mover whose two doors lead into the same bucket would archive its own archive. */
function checkStores(value: unknown, context: z.RefinementCtx): void {
  if (!isRecord(value) || !isRecord(value.dropZone) || !isRecord(value.vault)) return;
  const [from, to] = [value.dropZone, value.vault];
  if (from.bucket === undefined || from.bucket !== to.bucket || from.endpoint !== to.endpoint) return;
  context.addIssue({ code: "custom", path: ["vault", "bucket"], message: "another bucket than the drop-zone's" });
}

function quotaOf(given: z.infer<typeof limits>): Quota {
  return {
    bytesPerDay: given.bytesPerDay ?? null,
    objectsPerDay: given.objectsPerDay ?? null,
    objectSizeBytes: given.objectSize ?? null,
  };
}

function sqsOf(given: z.infer<typeof sqs> | undefined): DiscoverConfig["sqs"] {
  return given === undefined ? null : { queueUrl: given.queueUrl, sweep: given.sweep };
}

function alertsOf(given: z.infer<typeof alerts> | undefined): AlertsConfig | null {
  if (given === undefined) return null;
  return { webhook: given.webhook, heartbeat: given.heartbeat ?? null, missingAfterMs: given.missingAfter };
}

function wholeNumber(min: number, max: number): z.ZodNumber {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** @throws {AirlockError} `config-invalid`, naming every fault */
export function readMoverConfig(file: string): Promise<MoverConfig> {
  return readConfig(file, moverSchema);
}

/** Keys that are understood and that this program does not act on yet. */
export function unservedMoverKeys(config: MoverConfig): string[] {
  const keys: string[] = [];
  if (config.report !== null) keys.push("report");
  return keys;
}

/** @throws {AirlockError} `config-invalid` rather than silently not doing what the file asks for */
export function refuseUnservedMoverKeys(config: MoverConfig, file: string): void {
  refuseUnserved(unservedMoverKeys(config), file);
}
