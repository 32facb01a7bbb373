import { z } from "zod";
import type { CredentialSource, StoreConfig } from "./store-config.ts";
import { absolutePath, always, checkPlaintext } from "./values.ts";

const BUCKET = "a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'";
const ENDPOINT = "an https:// address without a query, such as https://s3.example.net";
const OWNER = 'an account number: 12 digits in quotes, such as "111122223333"';
const CREDENTIALS = "{ profile } or { accessKeyIdFile, secretAccessKeyFile }; without it, the AWS default chain";
const CHECKSUMS = ["auto", "required-only"] as const;

const credentials = z
  .strictObject(
    {
      profile: z.string({ error: "a profile's name" }).min(1, { error: "a profile's name" }).optional(),
      accessKeyIdFile: absolutePath.optional(),
      secretAccessKeyFile: absolutePath.optional(),
    },
    { error: CREDENTIALS },
  )
  .transform((given, context): CredentialSource => {
    const { profile, accessKeyIdFile, secretAccessKeyFile } = given;
    const files = accessKeyIdFile !== undefined || secretAccessKeyFile !== undefined;
    if (profile !== undefined && !files) return { kind: "profile", profile };
    if (profile === undefined && accessKeyIdFile !== undefined && secretAccessKeyFile !== undefined) {
      return { kind: "files", accessKeyIdFile, secretAccessKeyFile };
    }
    context.addIssue({ code: "custom", message: CREDENTIALS });
    return z.NEVER;
  });

/** The keys of `dropZone:` and `vault:`; a role adds its own with `storeSchema`. */
const storeShape = {
  bucket: z.string({ error: BUCKET }).regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: BUCKET }),
  region: z.string({ error: "a region" }).regex(/^[A-Za-z0-9_-]{1,64}$/, { error: "a region, such as eu-central-1" }),
  endpoint: z.string({ error: ENDPOINT }).refine(isEndpoint, { error: ENDPOINT }).optional(),
  allowPlaintext: z.boolean().optional(),
  forcePathStyle: z.boolean().default(false),
  credentials: credentials.default({ kind: "chain" }),
  expectedBucketOwner: z
    .string({ error: OWNER })
    .regex(/^\d{12}$/, { error: OWNER })
    .optional(),
  checksums: z.enum(CHECKSUMS).default("auto"),
};

type StoreShape = typeof storeShape;
type Given = z.infer<z.ZodObject<StoreShape>>;

/** The store part of a configuration, and beside it what a role adds. Ask {@link storeOf} for the store itself. */
export function storeSchema<Extra extends z.core.$ZodLooseShape>(
  extra: Extra,
): z.ZodObject<StoreShape & Extra, z.core.$strict> {
  return z.strictObject({ ...storeShape, ...extra }).superRefine((value: unknown, context) => {
    checkPlaintext(value, ["endpoint"], context);
  }, always);
}

export function storeOf(given: Given): StoreConfig {
  return {
    bucket: given.bucket,
    region: given.region,
    endpoint: given.endpoint?.replace(/\/+$/, "") ?? null,
    forcePathStyle: given.forcePathStyle,
    credentials: given.credentials,
    expectedBucketOwner: given.expectedBucketOwner ?? null,
    checksums: given.checksums,
  };
}

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return false;
  return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
}
