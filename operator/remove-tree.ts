import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { AirlockError } from "../shared/errors.ts";
import { errorCode } from "../shared/files.ts";

/** What hinders Node's own removal: folders that their owner may not write to, and paths beyond the kernel's limit. */
const HINDRANCES = new Set(["EACCES", "EPERM", "ENAMETOOLONG", "ENOTEMPTY"]);

/**
 * Removes a folder that an archive was unpacked into, whatever modes and depths it has. chmod and rm walk by descriptors,
 * follow no link on their way and know no longest path.
 * @param path absolute, or beginning with a dot
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!HINDRANCES.has(errorCode(error) ?? "")) throw error;
    // what can't be opened is told by rm
    await run("chmod", ["-R", "u+rwx", "--", path]);
    const exit = await run("rm", ["-rf", "--", path]);
    if (exit === 0) return;
    throw new AirlockError("unexpected", "what was unpacked can't be removed", {
      subject: path,
      remedy: "remove it by hand",
      cause: error,
    });
  }
}

async function run(program: string, args: readonly string[]): Promise<number | null> {
  const child = spawn(program, args, { stdio: "ignore" });
  const [exit] = (await once(child, "close")) as [number | null]; // what "close" gives
  return exit;
}
