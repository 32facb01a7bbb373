import { Buffer } from "node:buffer";

export interface Member {
  readonly name: string;
  /** POSIX: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 pipe; x extends what follows, L is GNU's long name. */
  readonly type?: "0" | "1" | "2" | "3" | "4" | "5" | "6" | "x" | "L";
  readonly link?: string;
  readonly content?: string;
  readonly mode?: number;
  /** A number, and a name that says otherwise. */
  readonly owner?: { readonly uid: number; readonly name: string };
}

/** A ustar archive, byte by byte: no tar would make these. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html */
export function makeTar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, type = "0", link = "", content = "", mode = 0o644, owner }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
    header.write("0000000\0".repeat(2), 108);
    if (owner !== undefined) header.write(`${owner.uid.toString(8).padStart(7, "0")}\0`, 108);
    header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("00000000000\0", 136);
    header.write(" ".repeat(8), 148);
    header.write(type, 156);
    header.write(link, 157);
    header.write("ustar\x0000", 257);
    header.write(owner?.name ?? "", 265);
    if (type === "3" || type === "4") header.write("0000001\0".concat("0000003\0"), 329); // as /dev/null
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    body.write(content);
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
