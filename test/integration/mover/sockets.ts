/** What the kernel says of a process's sockets. */
import { readdir, readFile, readlink } from "node:fs/promises";

/** `0A` is TCP_LISTEN (include/net/tcp_states.h). */
const TCP_LISTEN = "0A";
/** __SO_ACCEPTCON: a unix socket that listens (include/uapi/linux/net.h). */
const ACCEPTS = 0x10000;

export interface Socket {
  readonly protocol: "tcp" | "tcp6" | "udp" | "udp6" | "unix";
  /** Others can open a connection to it, or send to it unasked. */
  readonly isOpen: boolean;
  readonly line: string;
}

/** By inode: those that the process's descriptors name, in the tables of its network namespace. */
export async function socketsOf(pid: number): Promise<Socket[]> {
  const inodes = new Set<string>();
  for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ""); // closed meanwhile
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined) inodes.add(inode);
  }
  const found: Socket[] = [];
  for (const protocol of ["tcp", "tcp6", "udp", "udp6", "unix"] as const) {
    for (const line of (await readFile(`/proc/${pid}/net/${protocol}`, "utf8")).split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      const inode = protocol === "unix" ? fields[6] : fields[9];
      if (inode === undefined || !inodes.has(inode)) continue;
      found.push({ protocol, isOpen: isOpen(protocol, fields), line: line.trim() });
    }
  }
  return found;
}

function isOpen(protocol: Socket["protocol"], fields: readonly string[]): boolean {
  if (protocol === "unix") return (Number.parseInt(fields[3] ?? "", 16) & ACCEPTS) !== 0;
  if (protocol === "tcp" || protocol === "tcp6") return fields[3] === TCP_LISTEN;
  // a datagram socket is open to all unless it is connected to one peer
  return /^0+:0000$/.test(fields[2] ?? "");
}
