import { open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { giveToOwnerOf, makeFolder, syncFolder } from "../shared/files.ts";

/** The bodies of what waits: one file each, for their owner alone. */
export interface SpoolFiles {
  readonly folder: string;
  create(id: string): Promise<SpoolFile>;
  open(id: string): Promise<FileHandle>;
  /** No error where there is none. */
  remove(id: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

/** A body that is being written. */
export interface SpoolFile extends AsyncDisposable {
  append(bytes: Uint8Array): Promise<void>;
  /** Name and bytes survive a power cut once this has returned. */
  sync(): Promise<void>;
}

/** @param spoolFolder what waits lies in its folder `waiting`, which is made where it is not there */
export function openSpoolFiles(spoolFolder: string): SpoolFiles {
  const folder = join(spoolFolder, "waiting");
  makeFolder(folder);
  return {
    folder,
    create: async (id) => {
      const handle = await open(join(folder, id), "wx", 0o600);
      giveToOwnerOf(folder, handle.fd);
      return {
        append: (bytes) => handle.writeFile(bytes),
        sync: async () => {
          await handle.sync();
          await syncFolder(folder);
        },
        [Symbol.asyncDispose]: () => handle.close(),
      };
    },
    open: (id) => open(join(folder, id), "r"),
    remove: (id) => rm(join(folder, id), { force: true }),
    list: () => readdir(folder),
  };
}
