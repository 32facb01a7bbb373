/** `issue-many.ts SPOOL COUNT`: takes that many numbers from a state that others use at the same time. */
import { generateSigningKey } from "../../../shared/keys.ts";
import { signStatement } from "../../../shared/statement.ts";
import { ownerOf } from "../../../uploader/process-owner.ts";
import { openState } from "../../../uploader/state.ts";

const [spoolFolder = "", count = "0"] = process.argv.slice(2);
const key = generateSigningKey();
using state = openState({ spoolFolder, bucket: "b", host: "web1", owner: ownerOf(process.pid) });
for (let taken = 0; taken < Number(count); taken++) {
  state.issue(({ epoch, seq, digest }) => {
    const object = {
      bucket: "b",
      key: "web1/etc/x",
      host: "web1",
      set: "etc",
      size: 1,
      sha256: "0".repeat(64),
      encoding: [],
    };
    return signStatement(
      { v: 1, ...object, epoch, seq: seq + 1, prev: digest, startedAt: "2026-11-21T02:15:00.000Z" },
      key,
    );
  });
}
