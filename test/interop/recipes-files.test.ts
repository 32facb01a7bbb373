/** The recipes of docs/recipes.md for files and for programs that upload by themselves. Needs `npm run servers:install`. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../demo/compare-trees.ts";
import type { Policy } from "../../shared/policies.ts";
import { openBench, recipe, watchUntilTaken } from "./recipes.ts";
import { fetchObject, requirePrograms, run } from "./support.ts";

test("git: a bundle of all branches and tags, cloned again with Airlock and without", async () => {
  await requirePrograms(["git", "--version"]);
  await using bench = await openBench();
  const at = "A git repository";
  const repository = join(bench.folder, "original.git");
  const author = ["-c", "user.name=a", "-c", "user.email=a@example.net"];
  await bench.shell(`git init -q --bare -b main ${repository} && git clone -q ${repository} work 2>&1`);
  await writeFile(join(bench.folder, "work", "noise"), randomBytes(300_000));
  const commit = `git ${author.join(" ")} commit -q`;
  await bench.shell(
    `cd work && git add . && ${commit} -m one && git branch other && ${commit} --allow-empty -m "zwei ü" && git ${author.join(" ")} tag -a -m v v1 && git push -q origin --all && git push -q origin --tags`,
  );
  if (process.getuid?.() === 0) await bench.shell(`chown -R nobody ${repository}`); // as another user's repository is
  await bench.store(recipe(at, "yaml", "bundle", [{ what: "/srv/git/shop.git", by: repository }]));
  const refs = async (folder: string): Promise<string> =>
    bench.shell(
      `git -c safe.directory='*' -C ${folder} show-ref && git -c safe.directory='*' -C ${folder} fsck --strict`,
    );
  const original = await refs(repository);
  assert.match(original, /refs\/heads\/other[\s\S]*refs\/tags\/v1/);
  await bench.shell(recipe(at, "sh", "# with Airlock"));
  assert.equal(await refs("shop.git"), original);
  await bench.shell("rm -r shop.git shop.bundle");
  assert.equal(await bench.fetch("web1", "git-shop"), "shop.bundle.age");
  await bench.shell(recipe(at, "sh", "# without Airlock"));
  assert.equal(await refs("shop.git"), original);
});

test("/etc: a folder with its modes, restored with Airlock and without", async () => {
  await using bench = await openBench();
  const at = "/etc, /home, and other folders";
  const etc = join(bench.folder, "etc");
  await mkdir(join(etc, "deep"), { recursive: true });
  await writeFile(join(etc, "passwd"), "root:x:0:0\n");
  await writeFile(join(etc, "shadow"), "root:*\n", { mode: 0o600 });
  await writeFile(join(etc, "deep", "naïve file"), "x".repeat(100_000));
  await chmod(join(etc, "deep"), 0o2750);
  const sets = recipe(at, "yaml", "etc:", [{ what: "[/etc, /root, /usr/local/etc]", by: `[${etc}]` }]);
  await bench.store(sets.replace(/^ {2}home:.*$/m, ""));
  await bench.shell(recipe(at, "sh", "# with Airlock"));
  await compareTrees(etc, join(bench.folder, "restored", etc.slice(1)));
  await bench.shell("chmod -R u+w restored && rm -r restored");
  assert.equal(await bench.fetch("web1", "etc"), "etc.tar.zst.age");
  await bench.shell(recipe(at, "sh", "# without Airlock"));
  await compareTrees(etc, join(bench.folder, "restored", etc.slice(1)));
});

test("logs: what logrotate has finished is stored by the agent, and deleted after that", async () => {
  await requirePrograms(["logrotate", "--version"]);
  await using bench = await openBench();
  const at = "Rotated logs";
  const [logs, watched] = [join(bench.folder, "nginx"), join(bench.folder, "watched")];
  await mkdir(logs);
  await mkdir(watched);
  await writeFile(join(logs, "access.log"), "GET /\n".repeat(10_000));
  await writeFile(join(logs, "error.log"), "oh\n");
  await writeFile(join(logs, "empty.log"), "");
  const configuration = join(bench.folder, "logrotate.conf");
  await writeFile(
    configuration,
    recipe(at, "conf", "/var/log/nginx", [
      { what: "/var/log/nginx", by: logs },
      { what: "/var/spool/airlock/nginx", by: watched },
      { what: "invoke-rc.d nginx rotate >/dev/null 2>&1 || true", by: `touch ${bench.folder}/reopened` },
    ]),
    { mode: 0o600 },
  );
  await run("logrotate", ["--force", "--state", join(bench.folder, "state"), configuration]);
  await readFile(join(bench.folder, "reopened"));
  const rotated = (await readdir(watched)).toSorted();
  assert.match(rotated.join(), /^access\.log-\d{8}-\d+,error\.log-\d{8}-\d+$/);
  assert.deepEqual(await readdir(logs), ["empty.log"]);
  const sets = recipe(at, "yaml", "watch", [
    { what: "/var/spool/airlock/nginx", by: watched },
    { what: "60s", by: "100ms" },
  ]);
  await watchUntilTaken(bench, sets, watched);
  assert.match(await bench.shell(recipe(at, "sh", "# with Airlock")), /access\.log-[\s\S]*error\.log-/);
  const [restored = ""] = await readdir(join(bench.folder, "restored"));
  const expected = restored.startsWith("access") ? "GET /\n".repeat(10_000) : "oh\n";
  assert.equal(await readFile(join(bench.folder, "restored", restored), "utf8"), expected);
});

test("a program that can't ask for create-only uploads with its own key, and is moved and restored", async () => {
  await requirePrograms(["rclone", "version"], ["aws", "--version"]);
  const hostOptions = "foreign: true, signatures: none";
  await using bench = await openBench([], { hosts: ["shipper1", "web1"], hostOptions });
  const { world, folder } = bench;
  const at = "Programs that put objects themselves";
  const policy = JSON.parse(recipe(at, "json", "Create")) as { -readonly [Key in keyof Policy]: Policy[Key] }; // a policy
  const [awsLine = "", ...rcloneLines] = recipe(at, "sh", "# aws-cli and rclone").split("\n").slice(1);
  const newRcloneLine = rcloneLines.join("\n");
  const [, minor] = /^rclone v1\.(\d+)/.exec(await bench.shell("rclone version")) ?? [];
  const sendsAcl = Number(minor) <= 60; // as the page says of it
  const rcloneLine = sendsAcl ? newRcloneLine.replace('""', "bucket-owner-full-control") : newRcloneLine;
  if (sendsAcl)
    policy.Statement = policy.Statement.map((one) => ({
      ...one,
      Action: one.Action === "s3:PutObject" ? ["s3:PutObject", "s3:PutObjectAcl"] : one.Action,
    }));
  const key = world.dropZoneAccount.createUser("shipper", policy);
  await writeFile(join(folder, "app.log"), "a line\n".repeat(1000));
  const env = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    AWS_REGION: world.server.region,
    AWS_ENDPOINT_URL: world.server.endpoint,
    RCLONE_CONFIG_DROPZONE_TYPE: "s3",
    RCLONE_CONFIG_DROPZONE_PROVIDER: "Other",
    RCLONE_CONFIG_DROPZONE_ENV_AUTH: "true",
    RCLONE_CONFIG_DROPZONE_REGION: world.server.region,
    RCLONE_CONFIG_DROPZONE_ENDPOINT: world.server.endpoint,
  };
  // Debian's awscli 2.9 reads no AWS_ENDPOINT_URL
  await bench.shell(awsLine.replace(/^aws /, 'aws --endpoint-url "$AWS_ENDPOINT_URL" '), env);
  await bench.shell(rcloneLine, env);
  await bench.shell(rcloneLine, env); // the same name again: each is an object of its own
  await bench.move();
  assert.deepEqual(await world.listDropZone(), []);
  const archived = await world.listVault("archive/shipper1/");
  assert.equal(archived.length, 3);
  await fetchObject(world, archived[0]?.key ?? "", join(folder, "fetched"));
  assert.equal(await readFile(join(folder, "fetched"), "utf8"), "a line\n".repeat(1000));
  await bench.shell(recipe(at, "sh", "# with Airlock"));
  assert.equal(await readFile(join(folder, "restored", "app.log"), "utf8"), "a line\n".repeat(1000));
});
