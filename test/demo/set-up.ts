import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { operatorPolicy } from "../../shared/policies.ts";
import type { Credentials, PolicyDocument, S3Server } from "../s3-server/server.ts";
import type { Programs } from "./programs.ts";

export const DROP_ZONE = "demo-dropzone";
export const VAULT = "demo-vault";

export interface Site {
  readonly host: Credentials;
  readonly uploaderConfig: string;
  readonly operatorConfig: string;
  readonly identityFile: string;
}

/** As the README has it: `init` makes keys and configurations and prints the policies, an admin gives them to the keys. */
export async function setUp(dir: string, server: S3Server, programs: Programs): Promise<Site> {
  const dropZone = server.createAccount("drop-zone");
  const vault = server.createAccount("vault");
  dropZone.createBucket(DROP_ZONE, { versioning: true });
  vault.createBucket(VAULT, { objectLock: { mode: "COMPLIANCE", days: 30 } });
  const [uploaderConfig, moverConfig, operatorConfig] = ["uploader", "mover", "operator"].map((role) =>
    join(dir, `${role}.yaml`),
  ) as [string, string, string]; // three in, three out
  const identityFile = join(dir, "identity.txt");
  const store = ["--region", server.region, "--endpoint", server.endpoint];

  const keygen = await programs.run("operator", ["keygen", "--out", identityFile], operatorConfig);
  const recipient = keygen.stdout.trim();
  const host = JSON.parse(
    (
      await programs.run(
        "uploader",
        [
          "--json",
          "init",
          "--host",
          "web1",
          "--bucket",
          DROP_ZONE,
          ...store,
          "--profile",
          "web1",
          "--recipient",
          recipient,
          "--spool",
          join(dir, "spool"),
        ],
        uploaderConfig,
      )
    ).stdout,
  ) as { readonly publicKey: string; readonly policy: PolicyDocument }; // what init prints
  const mover = JSON.parse(
    (
      await programs.run(
        "mover",
        [
          "--json",
          "init",
          "--id",
          "mover-a",
          "--drop-zone",
          DROP_ZONE,
          "--vault",
          VAULT,
          ...store,
          "--vault-endpoint",
          server.endpoint,
          "--state",
          join(dir, "state"),
        ],
        moverConfig,
      )
    ).stdout,
  ) as {
    readonly publicKey: string;
    readonly policies: { readonly dropZone: PolicyDocument; readonly vault: PolicyDocument };
  };

  const keys = new Map([
    ["web1", dropZone.createUser("web1", host.policy)],
    ["dropzone-mover", dropZone.createUser("mover", mover.policies.dropZone)],
    ["vault-mover", vault.createUser("mover", mover.policies.vault)],
    ["operator", vault.createUser("operator", operatorPolicy({ bucket: VAULT, secureTransport: false }))],
  ]);
  await mkdir(join(dir, ".aws"));
  const profiles = Array.from(
    keys,
    ([name, key]) =>
      `[${name}]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`,
  );
  await writeFile(join(dir, ".aws", "credentials"), profiles.join("\n"), { mode: 0o600 });

  await appendFile(moverConfig, `  web1: { publicKeys: ["${host.publicKey}"] }\ndiscover: { poll: 200ms }\n`);
  await writeFile(
    operatorConfig,
    `vault: { bucket: ${VAULT}, region: ${server.region}, endpoint: "${server.endpoint}", forcePathStyle: true, credentials: { profile: operator } }
movers: { mover-a: ["${mover.publicKey}"] }
hosts: { web1: ["${host.publicKey}"] }
`,
  );
  programs.configs.set("mover", moverConfig);
  await readFile(identityFile); // only the operator has it: nothing of it is in the host's files
  const web1 = keys.get("web1");
  if (web1 === undefined) throw new Error("web1 has a key");
  return { host: web1, uploaderConfig, operatorConfig, identityFile };
}
