/** Where a bucket is and with whose key; the parsed form of `dropZone:` and `vault:`. */
export interface StoreConfig {
  readonly bucket: string;
  readonly region: string;
  /** null: AWS's own for the region. */
  readonly endpoint: string | null;
  readonly forcePathStyle: boolean;
  readonly credentials: CredentialSource;
  /** 12 digits; sent with each request, so that a bucket of that name in somebody else's account is refused. */
  readonly expectedBucketOwner: string | null;
  readonly checksums: "auto" | "required-only";
}

/** Never the secret itself. `chain` is the AWS SDK's default provider chain. */
export type CredentialSource =
  | { readonly kind: "chain" }
  | { readonly kind: "profile"; readonly profile: string }
  | { readonly kind: "files"; readonly accessKeyIdFile: string; readonly secretAccessKeyFile: string };
