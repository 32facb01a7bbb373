import { opendir, rm } from "node:fs/promises";
import { errorCode } from "../shared/files.ts";

export interface Inspected {
  /** Everything that is not a folder. */
  readonly files: number;
  readonly devicesRemoved: number;
}

/**
 * Looks at everything that was unpacked, as it now is on the disk and not as the archive told of it. Follows no link. A
 * folder that this user may not open is passed over: only root makes devices, and root may open it.
 */
export async function inspectTree(
  folder: string,
  { removeDevices }: { readonly removeDevices: boolean },
): Promise<Inspected> {
  let files = 0;
  let devicesRemoved = 0;
  // As bytes: not every file system's names are UTF-8.
  const waiting = [Buffer.from(folder)];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    try {
      // "buffer" makes its entries' names Buffers, which this call's type does not say
      const entries = await opendir(path, { encoding: "buffer" as BufferEncoding, bufferSize: 256 });
      for await (const entry of entries) {
        const child = Buffer.concat([path, Buffer.from("/"), entry.name as unknown as Buffer]);
        if (entry.isDirectory()) waiting.push(child);
        else if (removeDevices && (entry.isBlockDevice() || entry.isCharacterDevice())) {
          await rm(child);
          devicesRemoved += 1;
        } else files += 1;
      }
    } catch (error) {
      if (errorCode(error) !== "EACCES") throw error;
    }
  }
  return { files, devicesRemoved };
}
