import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { isAirlockError } from "../../../shared/errors.ts";
import { guardCredentials } from "../../../shared/s3/guard-credentials.ts";
import { StoreAnswer } from "../../../shared/s3/answer.ts";
import { fileCredentials } from "../../../shared/s3/credentials.ts";

describe("credentials from files", () => {
  let dir = "";
  let id = "";
  let secret = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "airlock-credentials-"));
    id = join(dir, "id");
    secret = join(dir, "secret");
    await writeFile(id, "AKIA1\n");
    await writeFile(secret, "one\n", { mode: 0o600 });
  });
  afterEach(() => rm(dir, { recursive: true }));

  it("are read again as soon as a file has changed", async () => {
    const provide = fileCredentials(id, secret);
    assert.partialDeepStrictEqual(await provide(), { accessKeyId: "AKIA1", secretAccessKey: "one" });
    await writeFile(secret, "two\n");
    await utimes(secret, 1, 1);
    assert.partialDeepStrictEqual(await provide(), { accessKeyId: "AKIA1", secretAccessKey: "two" });
  });

  it("expire before long, so that the SDK asks for them again", async () => {
    const { expiration } = await fileCredentials(id, secret, () => 0)();
    assert.ok(expiration.getTime() > 5 * 60_000 && expiration.getTime() < 6 * 60_000);
  });

  it("that are missing or not one line are refused by file name, without what is in it", async () => {
    await writeFile(secret, "one\ntwo-secret\n");
    await assert.rejects(fileCredentials(id, secret)(), (error: unknown) => {
      assert.ok(!inspect(error).includes("two-secret"));
      assert.ok(isAirlockError(error, "credentials-invalid"));
      assert.equal(error.subject, secret);
      return true;
    });
    await writeFile(secret, "");
    await assert.rejects(fileCredentials(id, secret)(), { code: "credentials-invalid", subject: secret });
    await assert.rejects(fileCredentials(join(dir, "none"), secret)(), {
      code: "credentials-invalid",
      subject: join(dir, "none"),
    });
  });

  it("whose secret others can read are refused, with the remedy; the key's id is no secret", async () => {
    await chmod(id, 0o644);
    assert.equal((await fileCredentials(id, secret)()).accessKeyId, "AKIA1");
    await chmod(secret, 0o644);
    await assert.rejects(fileCredentials(id, secret)(), {
      code: "key-file",
      subject: secret,
      remedy: `chmod 600 ${secret}`,
    });
  });
});

describe("getting credentials", () => {
  const answer = (status: number): StoreAnswer =>
    new StoreAnswer({ status, headers: new Map(), body: "", receivedAt: new Date(0) });
  const failed = (code: string): Error => Object.assign(new Error("x"), { code });

  for (const [what, thrown, code] of [
    ["a refusal", answer(403), "credentials-invalid"],
    ["a source that fails", answer(503), "store-unavailable"],
    ["a source that asks for fewer requests", answer(429), "store-unavailable"],
    ["a source that can't be reached", failed("ECONNREFUSED"), "store-unavailable"],
    ["a connection that breaks", failed("ECONNRESET"), "store-unavailable"],
    ["a certificate that is not trusted", failed("CERT_HAS_EXPIRED"), "tls-untrusted"],
    ["a token file that is not there", failed("ENOENT"), "credentials-invalid"],
    ["none", Object.assign(new Error("x"), { name: "CredentialsProviderError" }), "credentials-invalid"],
  ] as const) {
    it(`${what} is ${code}, and never an uncertain write`, async () => {
      await assert.rejects(
        guardCredentials(() => Promise.reject(thrown))(),
        (error: unknown) => isAirlockError(error, code) && error.remedy !== undefined,
      );
    });
  }

  it("a source that never answers is not waited for for ever; the former ones serve meanwhile", async () => {
    let isHanging = true;
    const source = (): Promise<{ expiration: Date }> =>
      isHanging ? new Promise(() => undefined) : Promise.resolve({ expiration: new Date(1000) });
    const provide = guardCredentials(source, () => 0, 20);
    await assert.rejects(provide(), (error: unknown) => isAirlockError(error, "store-unavailable"));
    isHanging = false;
    const first = await provide();
    isHanging = true;
    assert.equal(await provide(), first);
  });

  it("the former ones serve until their end, when they can't be renewed", async () => {
    let nowMs = 0;
    let isDown = false;
    const provide = guardCredentials(
      () => (isDown ? Promise.reject(failed("ECONNREFUSED")) : Promise.resolve({ expiration: new Date(1000) })),
      () => nowMs,
    );
    const first = await provide();
    isDown = true;
    nowMs = 999;
    assert.equal(await provide(), first);
    nowMs = 1000;
    await assert.rejects(provide(), (error: unknown) => isAirlockError(error, "store-unavailable"));
  });
});
