/** The reference implementation reads what the uploader encrypts. Needs `npm run servers:install`. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { generateHybridIdentity, generateX25519Identity, identityToRecipient } from "age-encryption";
import { encryptAge } from "../../uploader/age-payload.ts";
import { canRun } from "../servers/run-program.ts";
import { TOOLS } from "../servers/tools.ts";

const CHUNK = 64 * 1024;

async function encrypt(bytes: Uint8Array, recipients: readonly string[]): Promise<Buffer> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of encryptAge(source(), recipients)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("age -d", () => {
  let folder: string;
  before(async () => {
    if (!(await canRun(TOOLS.age, ["--version"])))
      throw new Error(`${TOOLS.age} is missing: run npm run servers:install`);
    folder = await mkdtemp(join(tmpdir(), "airlock-age-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [kind, generate] of [
    ["X25519", generateX25519Identity],
    ["post-quantum", generateHybridIdentity],
  ] as const) {
    for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3]) {
      it(`decrypts ${size} bytes with a ${kind} identity`, async () => {
        const identity = await generate();
        const identityFile = join(folder, `${kind}-${size}.txt`);
        await writeFile(identityFile, `${identity}\n`, { mode: 0o600 });
        const bytes = randomBytes(size);
        const file = await encrypt(bytes, [await identityToRecipient(identity)]);
        const args = ["--decrypt", "--identity", identityFile];
        assert.ok(execFileSync(TOOLS.age, args, { input: file, maxBuffer: 2 * size + CHUNK }).equals(bytes));
      });
    }
  }

  it("refuses a file that was cut between two chunks", async () => {
    const identity = await generateX25519Identity();
    const identityFile = join(folder, "cut.txt");
    await writeFile(identityFile, `${identity}\n`, { mode: 0o600 });
    const file = await encrypt(randomBytes(2 * CHUNK), [await identityToRecipient(identity)]);
    const cut = file.subarray(0, file.length - CHUNK - 16);
    assert.throws(() =>
      execFileSync(TOOLS.age, ["-d", "-i", identityFile], { input: cut, stdio: ["pipe", "pipe", "ignore"] }),
    );
  });
});
