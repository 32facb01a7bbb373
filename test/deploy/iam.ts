/** Policies and CloudFormation templates: linted, deployed, and what they give tried by `airlock audit`. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { Role } from "../../operator/audit-choices.ts";
import { startS3Server, type Account, type PolicyDocument } from "../s3-server/server.ts";
import { installFolder } from "../servers/cache.ts";
import { createAccessKey } from "../servers/iam.ts";
import { moto } from "../servers/moto.ts";
import { useServer } from "../servers/real-server.ts";
import { runProgram } from "../servers/run-program.ts";
import type { Credentials } from "../servers/server.ts";
import { root } from "../support/world.ts";
import { KNOWN } from "./audit-known.ts";
import { auditWith, fill } from "./audit-stand.ts";
import type { Claim, Part } from "./claim.ts";
import { createStack } from "./stacks.ts";
import { policyIn, readTemplate, TEMPLATES, templateFile, type Filling, type TemplateName } from "./template.ts";

/** Comes with moto, pinned in test/servers/python-constraints.txt. */
const CFN_LINT = join(installFolder("moto", moto.title.replace("moto ", "")), "bin", "cfn-lint");
const ROLE_USERS: readonly (readonly [Role, "dropZone" | "vault", string])[] = [
  ["host", "dropZone", "airlock-web1"],
  ["mover-drop-zone", "dropZone", "airlock-mover"],
  ["mover-vault", "vault", "airlock-mover"],
  ["operator", "vault", "airlock-operator"],
];

export const iam: Part = {
  name: "iam",
  install: () => moto.install(),
  async open(stack): Promise<readonly Claim[]> {
    const dir = await mkdtemp(join(tmpdir(), "airlock-iam-"));
    stack.defer(() => rm(dir, { recursive: true, force: true }));
    return [
      {
        claim: "the templates are valid, and the linter tells when one is not",
        provedBy: "cfn-lint",
        prove: () => lint(dir),
      },
      {
        claim: "`init` prints exactly the policies of deploy/iam",
        provedBy: "the programs",
        prove: () => compareInit(dir),
      },
      {
        claim:
          "the stacks deploy, and their users' keys can do their work and, but for what moto does not enforce, nothing else",
        provedBy: moto.title,
        prove: () => deployToMoto(dir),
      },
      {
        claim: "with the templates' policies, users and buckets alike, each key can do its work and nothing else",
        provedBy: "the embedded store",
        prove: () => tryOnEmbedded(dir),
      },
      {
        claim: "the buckets' own policies bind the root keys too",
        provedBy: "the embedded store",
        prove: () => bindRoot(dir),
      },
    ];
  },
};

async function lint(dir: string): Promise<string> {
  await runProgram(CFN_LINT, TEMPLATES.map(templateFile), { timeoutMs: 120_000 });
  const broken = join(dir, "broken.yaml");
  const text = await readFile(templateFile("vault"), "utf8");
  await writeFile(broken, text.replace("ObjectLockEnabled: Enabled", "ObjectLockEnabled: Perhaps"));
  // it says on standard output what is wrong, and exits with 2
  assert.match(
    await runProgram("sh", ["-c", '"$0" "$1" || true', CFN_LINT, broken], { timeoutMs: 120_000 }),
    /Perhaps/,
  );
  return (await runProgram(CFN_LINT, ["--version"])).trim();
}

async function compareInit(dir: string): Promise<string> {
  const readPolicy = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(root, "deploy", "iam", `${name}.json`), "utf8"));
  const run = async (role: string, ...args: string[]): Promise<unknown> => {
    const config = join(dir, `${role}-${args.length}`, "config.yaml");
    return JSON.parse(await runProgram(process.execPath, [join(root, role, "main.ts"), "--config", config, ...args]));
  };
  const host = ["--host", "web1", "--bucket", "acme-dropzone", "--region", "eu-central-1", "--no-encrypt"];
  assert.deepEqual(await run("uploader", "init", ...host, "--spool", join(dir, "spool")), await readPolicy("host"));
  const mover = [
    "init",
    "--id",
    "mover-a",
    "--drop-zone",
    "acme-dropzone",
    "--region",
    "eu-central-1",
    "--vault",
    "acme-vault",
  ];
  assert.deepEqual(await run("mover", ...mover), {
    dropZone: await readPolicy("mover-drop-zone"),
    vault: await readPolicy("mover-vault"),
  });
  const queueUrl = "https://sqs.eu-central-1.amazonaws.com/111122223333/airlock-mover-a";
  assert.deepEqual(await run("mover", ...mover, "--readback", "--queue-url", queueUrl), {
    dropZone: await readPolicy("mover-drop-zone-events"),
    vault: await readPolicy("mover-vault-readback"),
    queue: await readPolicy("queue"),
  });
  return "host, mover, mover with events and readback";
}

const BUCKETS = { dropZone: "acme-dropzone", vault: "acme-vault" } as const;

async function deployToMoto(dir: string): Promise<string> {
  await using server = await useServer(moto);
  const { region } = server;
  const at = {
    dropZone: { endpoint: server.dropZone.endpoint, region, credentials: server.dropZone.owner },
    vault: { endpoint: server.vault.endpoint, region, credentials: server.vault.owner },
  };
  await createStack(at.dropZone, "drop-zone", "drop-zone", { BucketName: BUCKETS.dropZone });
  await createStack(at.dropZone, "host-web1", "host", { BucketName: BUCKETS.dropZone, Host: "web1" });
  await createStack(at.vault, "vault", "vault", { BucketName: BUCKETS.vault });
  await using owners = openOwners(at);
  // moto makes a template's buckets without their settings
  for (const account of ["dropZone", "vault"] as const) {
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await owners[account].send(new PutBucketVersioningCommand({ Bucket: BUCKETS[account], VersioningConfiguration }));
  }
  await fill(owners, BUCKETS);
  let rows = 0;
  for (const [role, account, user] of ROLE_USERS) {
    const credentials = await createAccessKey(at[account], user);
    const audit = await auditWith({
      dir,
      endpoint: at[account].endpoint,
      region,
      bucket: BUCKETS[account],
      role,
      credentials,
    });
    const known = KNOWN.moto[role];
    for (const { id, verdict, outcome, detail } of audit.rows) {
      assert.ok(verdict === "ok" || known[id] !== undefined, `${role}: ${id} is ${outcome}: ${detail}`);
    }
    rows += audit.rows.length;
  }
  return `3 stacks, ${ROLE_USERS.length} keys, ${rows} powers`;
}

interface Owners extends AsyncDisposable {
  readonly dropZone: S3Client;
  readonly vault: S3Client;
}

type Place = { readonly endpoint: string; readonly region: string; readonly credentials: Credentials };

function openOwners(at: { readonly dropZone: Place; readonly vault: Place }): Owners {
  const open = (place: Place): S3Client =>
    new S3Client({ ...place, forcePathStyle: true, maxAttempts: 1, requestChecksumCalculation: "WHEN_REQUIRED" });
  const [dropZone, vault] = [open(at.dropZone), open(at.vault)];
  return {
    dropZone,
    vault,
    async [Symbol.asyncDispose]() {
      dropZone.destroy();
      vault.destroy();
    },
  };
}

interface Deployed extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly keys: ReadonlyMap<Role, Credentials>;
  readonly owners: Owners;
}

/** The policies of the templates, in the embedded store, which looks at conditions and at buckets' own policies. */
async function deployToEmbedded(dir: string): Promise<Deployed> {
  const store = await mkdtemp(join(dir, "store-"));
  // it takes loopback for TLS, as the policies insist on it
  const server = await startS3Server({ dir: store });
  const accounts = { dropZone: server.createAccount("drop-zone"), vault: server.createAccount("vault") };
  accounts.dropZone.createBucket(BUCKETS.dropZone, { versioning: true });
  accounts.vault.createBucket(BUCKETS.vault, { objectLock: true });
  const { endpoint, region } = server;
  const owners = openOwners({
    dropZone: { endpoint, region, credentials: accounts.dropZone.owner },
    vault: { endpoint, region, credentials: accounts.vault.owner },
  });
  await fill(owners, BUCKETS);
  const keys = new Map<Role, Credentials>();
  for (const [role, account, user] of ROLE_USERS) {
    keys.set(role, accounts[account].createUser(user, await policyOf(role, accounts)));
  }
  for (const [account, template] of [["dropZone", "drop-zone"] as const, ["vault", "vault"] as const]) {
    const policy = policyIn(await readTemplate(template), "BucketPolicy", fillingFor(account, accounts));
    const Policy = JSON.stringify(policy);
    await owners[account].send(new PutBucketPolicyCommand({ Bucket: BUCKETS[account], Policy }));
  }
  return {
    endpoint,
    region,
    keys,
    owners,
    async [Symbol.asyncDispose]() {
      await owners[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

function fillingFor(account: "dropZone" | "vault", accounts: { readonly dropZone: Account }): Filling {
  return {
    names: new Map([
      ["AWS::Partition", "aws"],
      ["BucketName", BUCKETS[account]],
      ["Host", "web1"],
      ["Queue.Arn", "arn:aws:sqs:eu-central-1:111122223333:airlock-mover-events"],
      ["Mover.Arn", `arn:aws:iam::${accounts.dropZone.id}:user/airlock-mover`],
    ]),
  };
}

const RESOURCES: Readonly<Record<Role, readonly [TemplateName, string]>> = {
  host: ["host", "Policy"],
  "mover-drop-zone": ["drop-zone", "MoverPolicy"],
  "mover-vault": ["vault", "MoverPolicy"],
  operator: ["vault", "OperatorPolicy"],
};

async function policyOf(role: Role, accounts: { readonly dropZone: Account }): Promise<PolicyDocument> {
  const [template, resource] = RESOURCES[role];
  const account = template === "vault" ? "vault" : "dropZone";
  // held against shared/policies.ts by test/unit/cloudformation.test.ts
  return policyIn(await readTemplate(template), resource, fillingFor(account, accounts)) as PolicyDocument;
}

async function tryOnEmbedded(dir: string): Promise<string> {
  await using deployed = await deployToEmbedded(dir);
  const { endpoint, region, keys } = deployed;
  let rows = 0;
  for (const [role, credentials] of keys) {
    const bucket = role === "host" || role === "mover-drop-zone" ? BUCKETS.dropZone : BUCKETS.vault;
    const audit = await auditWith({ dir, endpoint, region, bucket, role, credentials });
    const otherwise = audit.rows.filter(({ verdict }) => verdict !== "ok").map(({ id, outcome }) => [id, outcome]);
    assert.deepEqual(Object.fromEntries(otherwise), KNOWN.embedded[role], role);
    rows += audit.rows.length;
  }
  return `${keys.size} keys, ${rows} powers, all enforced`;
}

async function bindRoot(dir: string): Promise<string> {
  await using deployed = await deployToEmbedded(dir);
  const { dropZone, vault } = deployed.owners;
  const waiting = { Bucket: BUCKETS.dropZone, Key: "web1/etc/waiting" };
  const archived = { Bucket: BUCKETS.vault, Key: "archive/web1/etc/~00000000000000000000000000000000/archived" };
  const Retention = { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + 90 * 86_400_000) } as const;
  const refused: Readonly<Record<string, () => Promise<unknown>>> = {
    "read what waits": () => dropZone.send(new GetObjectCommand(waiting)),
    "remove what waits": () => dropZone.send(new DeleteObjectCommand(waiting)),
    "remove what is archived": () => vault.send(new DeleteObjectCommand(archived)),
    "set a retention": () => vault.send(new PutObjectRetentionCommand({ ...archived, Retention })),
    "overwrite what is archived": () => vault.send(new PutObjectCommand({ ...archived, Body: "other" })),
  };
  for (const [what, attempt] of Object.entries(refused)) await assert.rejects(attempt, { name: "AccessDenied" }, what);
  return Object.keys(refused).join(", ");
}
