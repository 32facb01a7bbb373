/** Carrying out the faults that lie before and after a request's effect. */
import type { ServerResponse } from "node:http";
import { ConnectionGone } from "./errors.ts";
import type { FaultKind, FaultRequest, FaultTime } from "./faults.ts";

/** Ends the handling: the answer is the fault's own. */
export class Replaced extends Error {
  readonly fault: Extract<FaultKind, { kind: "replace" }>;
  constructor(fault: Extract<FaultKind, { kind: "replace" }>) {
    super("replaced by a fault");
    this.fault = fault;
  }
}

/** An error that a fault invented. */
export class InventedError extends Error {
  readonly fault: Extract<FaultKind, { kind: "error" }>;
  constructor(fault: Extract<FaultKind, { kind: "error" }>) {
    super(fault.message ?? fault.code);
    this.fault = fault;
  }
}

/** Carries out the faults of one moment, in the order of their rules. */
export async function suffer(
  faults: readonly FaultKind[],
  when: FaultTime,
  request: FaultRequest,
  response: ServerResponse,
): Promise<void> {
  for (const fault of faults) {
    if (!("when" in fault) || fault.when !== when) continue;
    switch (fault.kind) {
      case "delay":
        await waitOrGone(response, fault.ms);
        break;
      case "hook":
        await fault.run(request);
        break;
      case "hang":
        await waitOrGone(response, undefined);
        throw new ConnectionGone("the client gave up a request that hangs by a fault");
      case "reset":
        response.socket?.resetAndDestroy();
        throw new ConnectionGone("reset by a fault");
      case "error":
        throw new InventedError(fault);
      case "replace":
        throw new Replaced(fault);
    }
  }
}

/** Ends after the time, or when the connection is gone. */
async function waitOrGone(response: ServerResponse, ms: number | undefined): Promise<void> {
  if (response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
  response.once("close", resolve);
  await promise;
  clearTimeout(timer);
  response.off("close", resolve);
}
