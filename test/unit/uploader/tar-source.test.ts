/** Other programs called tar: what they say of our options must not read as an archive. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { AirlockError } from "../../../shared/errors.ts";
import { silentLog } from "../../../shared/log.ts";
import { readTar, requireGnuTar } from "../../../uploader/tar-source.ts";

const signal = AbortSignal.timeout(60_000);
/** As busybox and bsdtar answer to what they don't know. */
const OTHERS = {
  busybox: `case "$1" in --version) echo "tar (busybox) 1.36.1";; *) echo "tar: unrecognized option '--format=pax'" >&2; exit 1;; esac`,
  bsdtar: `case "$1" in --version) echo "bsdtar 3.7.2 - libarchive 3.7.2";; *) echo "tar: Option --sparse is not supported" >&2; exit 1;; esac`,
};

describe("a tar that is not GNU's", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "airlock-tar-"));
    for (const [name, script] of Object.entries(OTHERS)) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "tar"), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name, "tar"), 0o755);
    }
    mkdirSync(join(folder, "none"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const optionsOf = (path: string | undefined) => ({
    env: { PATH: path },
    kill: (pid: number, name: NodeJS.Signals) => process.kill(pid, name),
    log: silentLog,
    signal,
  });

  async function read(path: string | undefined): Promise<number> {
    let sizeBytes = 0;
    for await (const chunk of readTar({ paths: [folder], exclude: [], ...optionsOf(path) })) sizeBytes += chunk.length;
    return sizeBytes;
  }

  for (const name of [...Object.keys(OTHERS), "none"]) {
    it(`is refused, with the remedy, and gives no empty archive (${name})`, async () => {
      const isRefusal = (error: unknown): boolean => {
        assert.ok(error instanceof AirlockError);
        assert.equal(error.code, "source-unreadable");
        assert.match(`${error.message} ${error.remedy}`, /GNU tar/);
        return true;
      };
      const path = join(folder, name);
      await assert.rejects(read(path), isRefusal);
      await assert.rejects(requireGnuTar(optionsOf(path)), isRefusal);
    });
  }

  it("GNU's is taken", async () => {
    assert.ok((await read(process.env.PATH)) > 512);
  });
});
