/** deploy/systemd/: the units, judged by systemd's own tools. What they let a program do is tried in the part `debian`. */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installDebianPackages } from "../servers/install-programs.ts";
import { runProgram } from "../servers/run-program.ts";
import { root } from "../support/world.ts";
import type { Claim, Part } from "./claim.ts";

const UNITS = join(root, "deploy/systemd");
/** 0 is nothing to attack, 10 is everything. */
const EXPOSURES = { "airlock-mover.service": 1.5, "airlock-uploader.service": 3, "airlock-set@.service": 3 } as const;

export const systemd: Part = {
  name: "systemd",
  install: () => installDebianPackages(["systemd"]),
  async open(stack): Promise<readonly Claim[]> {
    const folder = await mkdtemp(join(tmpdir(), "airlock-units-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    return [
      ...Object.entries(EXPOSURES).map(([unit, limit]): Claim => ({
        claim: `${unit}: an exposure of ${limit.toFixed(1)} at most`,
        provedBy: "systemd-analyze security",
        async prove() {
          const args = [
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            String(limit * 10),
            join(UNITS, unit),
          ];
          const said = await runProgram("systemd-analyze", args);
          const [, exposure = ""] = /Overall exposure level for \S+: ([\d.]+)/.exec(said) ?? [];
          assert.ok(Number(exposure) <= limit, said.slice(-200));
          return exposure;
        },
      })),
      {
        claim: "the units have no fault",
        provedBy: "systemd-analyze verify",
        prove: () => verify(folder),
      },
      {
        claim: "the uploader has CAP_DAC_READ_SEARCH and nothing more, the mover nothing",
        provedBy: "systemd-analyze security",
        prove: capabilities,
      },
    ];
  },
};

/** With programs where the units have them, since those are looked for; and with a unit that has a fault, which is found. */
async function verify(folder: string): Promise<string> {
  const units = (await readdir(UNITS)).filter((name) => /^airlock-(mover|uploader|set@)/.test(name));
  await mkdir(join(folder, "usr/bin"), { recursive: true });
  await mkdir(join(folder, "etc/systemd/system"), { recursive: true });
  for (const name of units) await copyFile(join(UNITS, name), join(folder, "etc/systemd/system", name));
  const named = units.map((name) => name.replace("@.", "@etc.")).filter((name) => !name.endsWith(".timer"));
  const check = async (): Promise<string> =>
    runProgram("sh", [
      "-c",
      'systemd-analyze verify --man=no "$@" 2>&1 || true',
      "verify",
      ...named.map((name) => join(folder, "etc/systemd/system", name)),
    ]);
  const unknownProgram = /Command \/usr\/bin\/airlock-\w+ is not executable: No such file or directory/;
  const faults = (said: string): string[] =>
    said.split("\n").filter((line) => /airlock/.test(line) && !unknownProgram.test(line));
  assert.deepEqual(faults(await check()), []);
  await writeFile(
    join(folder, "etc/systemd/system", "airlock-mover.service"),
    "[Service]\nExecStart=/bin/true\nProtectSystme=yes\n",
  );
  assert.match(faults(await check()).join("\n"), /ProtectSystme/);
  return units.join(", ");
}

async function capabilities(): Promise<string> {
  const seen: string[] = [];
  for (const [unit, held] of [
    ["airlock-mover.service", 0],
    ["airlock-uploader.service", 1],
    ["airlock-set@.service", 1],
  ] as const) {
    const args = ["security", "--offline=true", "--json=short", join(UNITS, unit)];
    const rows = JSON.parse(await runProgram("systemd-analyze", args)) as { json_field: string; set: boolean | null }[]; // systemd's form
    const kept = rows.filter(({ json_field, set }) => json_field.startsWith("CapabilityBoundingSet_") && set === false);
    assert.equal(kept.length, held, JSON.stringify(kept));
    seen.push(
      `${unit}: ${kept.map(({ json_field }) => json_field.replace("CapabilityBoundingSet_", "")).join() || "none"}`,
    );
  }
  return seen.join("; ");
}
