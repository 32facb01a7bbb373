import type { Io } from "../shared/cli.ts";
import { formatFindings } from "../shared/powers.ts";
import { proveKey, type KeyProof } from "./check-key.ts";
import { readUploaderConfig } from "./config.ts";
import { policyOf } from "./policy.ts";
import { openContext } from "./open-context.ts";
import { requireGnuTar } from "./tar-source.ts";

/** `check`: proves what this key can and cannot do; exit 7 when it can do more than it should. */
export async function runCheck(io: Io, owner: string): Promise<void> {
  const config = await readUploaderConfig(io.configFile);
  if ([...config.sets.values()].some(({ kind }) => kind === "paths")) {
    await requireGnuTar({ env: io.env, kill: io.kill, log: io.log, signal: io.abort });
  }
  await using opened = await openContext(config, owner, io, () => undefined);
  const proof = await proveKey(config, opened.context);
  const policy = policyOf(config);
  io.print({ host: config.host, ...proofForPrograms(proof), ...(proof.excess.length === 0 ? {} : { policy }) }, () =>
    formatFindings(proof.findings, io.stdout.columns),
  );
  if (proof.excess.length === 0) return;
  io.exitWith(7);
  if (io.json) return;
  io.stderr.write(
    `${describeExcess(proof)}\n` +
      `  give it this policy and no other, and look for a bucket policy or ACL that allows more:\n${JSON.stringify(policy, null, 2)}\n`,
  );
}

export function proofForPrograms({ key, findings }: KeyProof): object {
  return {
    key,
    findings: findings.map(({ power, expected, got, isExcess, detail }) => ({
      power,
      expected,
      got,
      isExcess,
      detail,
    })),
  };
}

export function describeExcess({ excess }: KeyProof): string {
  return `airlock-uploader: this key can do more than it should: ${excess.map(({ power }) => power).join("; ")}`;
}
