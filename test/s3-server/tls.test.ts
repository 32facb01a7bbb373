import assert from "node:assert/strict";
import { request } from "node:https";
import { test } from "node:test";
import { createSelfSigned } from "./self-signed.ts";
import { startTestServer } from "./testing.ts";

test("the server speaks TLS with a certificate made on the spot, which a client can verify", async () => {
  const tls = createSelfSigned();
  await using fixture = await startTestServer({ tls, secureTransport: false });
  assert.match(fixture.server.endpoint, /^https:/);
  const get = async (ca: string): Promise<number | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const outgoing = request(`${fixture.server.endpoint}/bucket`, { ca, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    outgoing.on("error", reject);
    outgoing.end();
    return promise;
  };
  assert.equal(await get(tls.cert), 404);
  await assert.rejects(get(createSelfSigned().cert));
});
