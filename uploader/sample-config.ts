export interface SampleValues {
  readonly host: string;
  readonly bucket: string;
  readonly region: string;
  /** null: AWS. */
  readonly endpoint: string | null;
  /** null: the SDK's own chain. */
  readonly profile: string | null;
  /** Empty: unencrypted. */
  readonly recipients: readonly string[];
  readonly signingKeyFile: string;
  readonly spool: string;
}

/** A configuration that works as it is, with what else there is in comments. */
export function sampleConfig(values: SampleValues): string {
  const { endpoint, profile, recipients } = values;
  return `# airlock-uploader; every key is documented in deploy/uploader.yaml.
host: ${quote(values.host)}
dropZone:
  bucket: ${quote(values.bucket)}
  region: ${quote(values.region)}
${endpoint === null ? "  #endpoint: https://s3.example.net" : `  endpoint: ${quote(endpoint)}\n  forcePathStyle: true`}
${profile === null ? "  #credentials: { profile: airlock }    # without it: the AWS SDK's own chain" : `  credentials: { profile: ${quote(profile)} }`}
  #expectedBucketOwner: "111122223333"
signingKey: ${quote(values.signingKeyFile)}
${recipients.length === 0 ? "encrypt: none" : `encrypt:\n  recipients:\n${recipients.map((text) => `    - ${quote(text)}`).join("\n")}`}
compress: zstd
#bandwidth: 20MiB
spool: ${quote(values.spool)}
#spoolLimit: 10GiB
#sets:
#  etc: { schedule: "@daily", paths: [/etc, /home] }
#  shop: { schedule: "15 2 * * *", command: [pg_dump, -Fc, shop], name: shop.dump }
#notify: { success: https://hc.example.net/ping/web1, failure: https://hc.example.net/ping/web1/fail }
`;
}

/** YAML reads a JSON string as it is. */
function quote(text: string): string {
  return JSON.stringify(text);
}
