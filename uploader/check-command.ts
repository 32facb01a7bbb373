import type { Io } from "../shared/cli.ts";
import { newToken } from "../shared/names.ts";
import { formatFindings, type Finding } from "../shared/powers.ts";
import { openHostProbe } from "../shared/s3/host-probe.ts";
import { tryPowers } from "./check-powers.ts";
import { CHECK_SET, readUploaderConfig } from "./config.ts";
import { policyOf } from "./init-command.ts";
import { openContext } from "./open-context.ts";
import { publish } from "./publish.ts";

/** `check`: what this key must be able to do is done for real, what it must not is tried; exit 7 when that works. */
export async function runCheck(io: Io, owner: string): Promise<void> {
  const config = await readUploaderConfig(io.configFile);
  await using opened = await openContext(config, owner, io, () => undefined);
  await using probe = await openHostProbe(config.dropZone);
  const body = Buffer.from(`airlock-uploader check ${newToken()}\n`);
  // Signed and moved like any other; when it can't be put, there is nothing else to learn.
  const source = { set: CHECK_SET, name: "check.txt", encoding: [], startedAt: new Date(), expectedBytes: body.length };
  const own = await publish({ ...source, isRepeatable: true, open: () => once(body) }, opened.context);
  const findings: Finding[] = [
    { power: "create an object of its own", expected: "allowed", got: "allowed", isExcess: false, detail: own.key },
    ...(await tryPowers(probe, { host: config.host, key: own.key, body }, io.abort)),
  ];
  const excess = findings.filter((finding) => finding.isExcess);
  const policy = policyOf(config);
  io.print(
    {
      host: config.host,
      key: own.key,
      findings: findings.map(({ power, expected, got, isExcess, detail }) => ({
        power,
        expected,
        got,
        isExcess,
        detail,
      })),
      ...(excess.length === 0 ? {} : { policy }),
    },
    () => formatFindings(findings, io.stdout.columns),
  );
  if (excess.length === 0) return;
  io.exitWith(7);
  if (io.json) return;
  io.stderr.write(
    `airlock-uploader: this key can do more than it should: ${excess.map(({ power }) => power).join("; ")}\n` +
      `  give it this policy and no other, and look for a bucket policy or ACL that allows more:\n${JSON.stringify(policy, null, 2)}\n`,
  );
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield body;
}
