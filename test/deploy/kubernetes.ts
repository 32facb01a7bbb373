/** deploy/kubernetes/: manifests, against Kubernetes' schemas and types, and its own judge of what a pod may ask for. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parseAllDocuments } from "yaml";
import { readMoverConfig } from "../../mover/config.ts";
import { readUploaderConfig } from "../../uploader/config.ts";
import { installFolder } from "../servers/cache.ts";
import { exists, installDebianPackages, installPythonPackage } from "../servers/install-programs.ts";
import { canRun, runProgram } from "../servers/run-program.ts";
import { Missing } from "../servers/server.ts";
import { root } from "../support/world.ts";
import type { Claim, Part } from "./claim.ts";
import { codeBlocks } from "./code-blocks.ts";

const FOLDER = join(root, "deploy/kubernetes");
const MANIFESTS = ["namespace.yaml", "mover.yaml", "uploader-cronjob.yaml", "uploader-sidecar.yaml"];
const VALIDATE_VERSION = "1.37.0";
const validateFolder = installFolder("kubernetes-validate", VALIDATE_VERSION);
const validate = join(validateFolder, "bin", "kubernetes-validate");
const judgeSource = join(import.meta.dirname, "pod-security");

/** What would be wrong, where it is put in, and the word that tells it. */
const BROKEN: readonly (readonly [what: string, by: readonly [string, string], strict: RegExp])[] = [
  ["a key that nobody knows", ["readOnlyRootFilesystem:", "readOnlyRootFileSystem:"], /unknown field/],
  ["a key in the wrong place", ["spec:\n  replicas: 3", "replicas: 3\nspec:"], /unknown field/],
  ["a word for a number", ["replicas: 3", "replicas: three"], /cannot unmarshal string/],
];

const FORBIDDEN: readonly (readonly [what: string, by: readonly [string, string], says: RegExp])[] = [
  ["root", ["runAsNonRoot: true\n        runAsUser: 65532", "runAsUser: 0"], /runAsNonRoot != true/],
  ["no seccomp", ["seccompProfile: { type: RuntimeDefault }", "supplementalGroups: []"], /seccompProfile/],
  [
    "a capability",
    ["capabilities: { drop: [ALL] }", "capabilities: { add: [NET_ADMIN] }"],
    /unrestricted capabilities/,
  ],
  ["the node's files", ["emptyDir: { sizeLimit: 256Mi }", "hostPath: { path: /var/lib }"], /restricted volume types/],
  ["the node's network", ["enableServiceLinks: false", "hostNetwork: true"], /host namespaces/],
  ["more rights than it began with", ["allowPrivilegeEscalation: false", "privileged: true"], /privileged/],
];

interface Container {
  readonly name: string;
  readonly securityContext?: { readonly readOnlyRootFilesystem?: boolean };
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly Container[]; readonly initContainers?: readonly Container[] };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly template?: Pod;
    readonly jobTemplate?: { readonly spec: { readonly template: Pod } };
    readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly policyTypes?: readonly string[];
    readonly ingress?: unknown;
  };
}

export const kubernetes: Part = {
  name: "kubernetes",
  async install() {
    await installPythonPackage("kubernetes-validate", VALIDATE_VERSION, validateFolder, "kubernetes_validate");
    if (!(await canRun("kubectl", ["version", "--client"]))) await installDebianPackages(["kubernetes-client"]);
    await buildJudge();
  },
  async open(stack): Promise<readonly Claim[]> {
    const scratch = await mkdtemp(join(tmpdir(), "airlock-kubernetes-"));
    stack.defer(() => rm(scratch, { recursive: true, force: true }));
    const judge = await buildJudge();
    return [
      {
        claim: `every manifest fits Kubernetes ${VALIDATE_VERSION}'s schemas, nothing left over; broken ones do not`,
        provedBy: "kubernetes-validate",
        prove: () => validateSchemas(scratch),
      },
      {
        claim: "every pod is admitted where only restricted ones are; ones that ask for more are not",
        provedBy: "pod-security-admission",
        prove: () => judgePods(judge, scratch),
      },
      {
        claim: "no pod takes a connection, every root is read-only",
        provedBy: "the manifests",
        prove: () => readPolicies(),
      },
      {
        claim: "its page's commands give each mover its share, its key and its name",
        provedBy: "kubectl",
        prove: () => followPage(scratch, judge),
      },
    ];
  },
};

/** Built once for each state of its source; what it depends on is pinned by its go.sum. */
async function buildJudge(): Promise<string> {
  const sources = await Promise.all(["main.go", "go.mod", "go.sum"].map((name) => readFile(join(judgeSource, name))));
  const digest = createHash("sha256").update(Buffer.concat(sources)).digest("hex").slice(0, 12);
  const program = join(installFolder("pod-security", digest), "pod-security");
  if (await exists(program)) return program;
  if (!(await canRun("go", ["version"]))) throw new Missing("pod-security is built with Go: install Go 1.26 or newer");
  await runProgram("go", ["build", "-o", program, "."], { cwd: judgeSource, timeoutMs: 600_000 });
  return program;
}

async function validateSchemas(scratch: string): Promise<string> {
  const strictly = (files: readonly string[]): Promise<string> => runProgram(validate, ["--strict", ...files]);
  const said = await strictly(MANIFESTS.map((name) => join(FOLDER, name)));
  const passed = said.match(/passed for resource/g) ?? [];
  assert.equal(passed.length, (await readManifests()).length);
  for (const [what, by] of BROKEN) await assert.rejects(strictly([await breakMover(scratch, by)]), what);
  return `${passed.length} resources, ${BROKEN.length} broken ones refused`;
}

async function judgePods(judge: string, scratch: string): Promise<string> {
  const said = await runProgram(
    judge,
    MANIFESTS.map((name) => join(FOLDER, name)),
  );
  for (const line of said.trim().split("\n")) assert.match(line, / ok$/);
  for (const [what, by, says] of [...BROKEN, ...FORBIDDEN]) {
    const file = await breakMover(scratch, by);
    const refused = await runProgram("sh", ["-c", `"$0" "$1" || test $? -eq 1`, judge, file]);
    assert.match(refused, says, what);
  }
  return `${FORBIDDEN.length} pods that ask for more refused`;
}

/** The mover's manifest with one thing wrong. */
async function breakMover(scratch: string, [what, by]: readonly [string, string]): Promise<string> {
  const text = await readFile(join(FOLDER, "mover.yaml"), "utf8");
  assert.ok(text.includes(what), what);
  const file = join(scratch, "broken.yaml");
  await writeFile(file, text.replace(what, by));
  return file;
}

async function readPolicies(): Promise<string> {
  const manifests = await readManifests();
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
  // One that has every pod, both ways, and none that lets anything in: the rest is denied.
  const nothing = policies.find(
    ({ spec }) => spec.podSelector !== undefined && spec.podSelector.matchLabels === undefined,
  );
  assert.deepEqual(nothing?.spec.policyTypes, ["Ingress", "Egress"]);
  for (const { metadata, spec } of policies) assert.equal(spec.ingress, undefined, metadata.name);
  const pods = manifests.flatMap(({ spec }) => spec?.template ?? spec?.jobTemplate?.spec.template ?? []);
  assert.equal(pods.length, 3);
  for (const { metadata, spec } of pods) {
    assert.equal(metadata.labels["airlock-reaches"], "stores");
    for (const { name, securityContext } of [...spec.containers, ...(spec.initContainers ?? [])]) {
      assert.equal(securityContext?.readOnlyRootFilesystem, true, name);
    }
  }
  return `${pods.length} pods, ${policies.length} policies`;
}

async function readManifests(): Promise<readonly Manifest[]> {
  const texts = await Promise.all(MANIFESTS.map((name) => readFile(join(FOLDER, name), "utf8")));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest)); // judged before
}

/** Everything that needs no cluster; what it makes is what the pods mount. */
async function followPage(scratch: string, judge: string): Promise<string> {
  const folder = join(scratch, "copy");
  await cp(FOLDER, folder, { recursive: true });
  const bin = join(scratch, "bin");
  await cp(join(root, "test/deploy/bin"), bin, { recursive: true });
  await symlink(process.execPath, join(bin, "node"));
  const env = { PATH: [bin, process.env["PATH"]].join(delimiter), HOME: scratch, AIRLOCK_ROOT: root };
  const run = (script: string): Promise<string> => runProgram("bash", ["-euc", script], { cwd: folder, env });
  const blocks = codeBlocks(await readFile(join(FOLDER, "README.md"), "utf8"));
  const [init = "", movers = "", uploader = ""] = blocks.map(({ text }) => text);
  await run(init);
  const { mountPaths, replicas } = await readMover();
  for (let index = 1; index <= replicas; index++) {
    const config = await readMoverConfig(join(folder, `airlock-mover-${index}.yaml`));
    assert.deepEqual([config.id, config.discover.share], [`airlock-mover-${index}`, { index, of: replicas }]);
    for (const path of [config.signingKeyFile, config.state]) assert.ok(mountPaths.includes(path), path);
  }
  await readUploaderConfig(join(folder, "uploader-config.yaml"));
  for (const name of ["credentials", "host.key"]) await writeFile(join(folder, name), "secret\n");
  const creates = `${movers}${uploader}`.split("\n").filter((line) => line.includes(" create "));
  assert.equal(creates.length, 4);
  for (const create of creates) {
    const file = join(scratch, "made.yaml");
    await writeFile(file, await run(`${create} --dry-run=client -o yaml`));
    assert.match(await runProgram(judge, [file]), / ok$/m);
  }
  return `${replicas} movers, ${creates.length} resources`;
}

async function readMover(): Promise<{ readonly mountPaths: readonly string[]; readonly replicas: number }> {
  const set = (await readManifests()).find(({ metadata }) => metadata.name === "airlock-mover");
  const mounts = set?.spec.template?.spec.containers.flatMap(({ volumeMounts = [] }) => volumeMounts) ?? [];
  return { mountPaths: mounts.map(({ mountPath }) => mountPath), replicas: set?.spec.replicas ?? 0 };
}
