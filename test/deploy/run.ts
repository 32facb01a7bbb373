/**
 * `npm run test:deploy [-- PART…]`: builds what is deployed and proves each claim about it with the real tool, in one
 * table. Exits with 1 when a claim fails; one that this machine can't decide is a row that says what is missing.
 */
import { withInstallLock } from "../servers/cache.ts";
import { formatResults, judge, type Claim, type Part, type Result } from "./claim.ts";
import { PARTS } from "./parts.ts";

const CLAIM_TIMEOUT_MS = 240_000;
/** Parts side by side; most of each is waiting for a tool that uses one core. */
const LANES = 2;

const parts = pickParts(process.argv.slice(2));
const began = performance.now();
const waiting = parts.values();
const byPart = new Map<Part, readonly Result[]>();
await Promise.all(Array.from({ length: LANES }, proveWaiting));
const results = parts.flatMap((part) => byPart.get(part) ?? []);
console.log(formatResults(results));
const failed = results.filter(({ outcome }) => outcome === "FAILED").length;
const undecided = results.filter(({ outcome }) => outcome === "NOT PROVED").length;
console.log(`${results.length} claims in ${seconds(began)}: ${failed} failed, ${undecided} not proved on this machine`);
// A part may leave a socket to something that it has ended.
process.exit(failed > 0 ? 1 : 0);

function pickParts(names: readonly string[]): readonly Part[] {
  const unknown = names.find((name) => !PARTS.some((part) => part.name === name));
  if (unknown !== undefined) {
    throw new Error(`no part is called ${unknown}; there are ${PARTS.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? PARTS : PARTS.filter(({ name }) => names.includes(name));
}

async function proveWaiting(): Promise<void> {
  for (const part of waiting) {
    const partBegan = performance.now();
    byPart.set(part, await provePart(part));
    console.error(`${part.name}: ${seconds(partBegan)}`);
  }
}

async function provePart({ name, install, open }: Part): Promise<Result[]> {
  await using stack = new AsyncDisposableStack();
  let claims: readonly Claim[];
  try {
    if (install !== undefined) await withInstallLock(install);
    claims = await open(stack);
  } catch (error) {
    return [report(judge(name, { claim: "everything", provedBy: "" }, error))];
  }
  const proved: Result[] = [];
  for (const claim of claims) proved.push(report(await proveClaim(name, claim)));
  return proved;
}

async function proveClaim(part: string, { claim, provedBy, prove }: Claim): Promise<Result> {
  const signal = AbortSignal.timeout(CLAIM_TIMEOUT_MS);
  const late = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => late.reject(new Error(`nothing within ${CLAIM_TIMEOUT_MS} ms`)));
  try {
    const seen = await Promise.race([prove(signal), late.promise]);
    return { part, claim, provedBy, outcome: "proved", seen };
  } catch (error) {
    return judge(part, { claim, provedBy }, error);
  }
}

/** A long run says where it is. */
function report(result: Result): Result {
  console.error(`${result.part}: ${result.claim}: ${result.outcome}`);
  return result;
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}
