import { S3Client } from "@aws-sdk/client-s3";
import type { StoreConfig } from "../config/store-config.ts";
import { AirlockError } from "../errors.ts";
import { credentialsConfig } from "./credentials.ts";
import { guardCredentials } from "./guard-credentials.ts";

export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * The key itself, for whoever has to write it down; the programs' own requests need nobody to see it.
 * @throws {AirlockError} `credentials-invalid` where there is none, or only one that soon ends
 */
export async function readAccessKey(config: StoreConfig): Promise<AccessKey> {
  const client = new S3Client({ region: config.region, ...credentialsConfig(config.credentials) });
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await guardCredentials(client.config.credentials)();
    if (sessionToken === undefined) return { accessKeyId, secretAccessKey };
    throw new AirlockError("credentials-invalid", "the configured key is a session's and ends within hours", {
      subject: accessKeyId,
      remedy: "configure a user's own access key, or leave the key out with --without-key",
    });
  } finally {
    client.destroy();
  }
}
