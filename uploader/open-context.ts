import type { Io } from "../shared/cli.ts";
import { readSecretFile } from "../shared/files.ts";
import { parseSigningKey } from "../shared/keys.ts";
import { realTiming, type Timing } from "../shared/retry.ts";
import { openDropZoneWriter } from "../shared/s3/drop-zone-writer.ts";
import { limitBandwidth } from "./bandwidth.ts";
import type { UploaderConfig } from "./config.ts";
import type { PublishContext } from "./publish-context.ts";
import { openState } from "./state.ts";

export interface OpenContext extends AsyncDisposable {
  readonly context: PublishContext;
}

/** Everything that publishing needs, opened from the configuration: key, state and store. */
export async function openContext(
  config: UploaderConfig,
  owner: string,
  io: Pick<Io, "log" | "abort">,
  onBytes: PublishContext["onBytes"],
  timing: Timing = realTiming,
): Promise<OpenContext> {
  const signingKey = parseSigningKey(await readSecretFile(config.signingKeyFile), config.signingKeyFile);
  await using opening = new AsyncDisposableStack();
  const { host, spool: spoolFolder } = config;
  const state = opening.use(openState({ spoolFolder, bucket: config.dropZone.bucket, host, owner }));
  const { bandwidthBytesPerSecond: rate } = config;
  const pace = rate === null ? null : limitBandwidth(rate, timing);
  const writer = opening.use(await openDropZoneWriter(config.dropZone, { pace }));
  const stack = opening.move();
  return {
    context: {
      host,
      signingKey,
      writer,
      state,
      spoolFolder,
      memoryBytes: config.memoryBytes,
      log: io.log,
      timing,
      signal: io.abort,
      onBytes,
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
