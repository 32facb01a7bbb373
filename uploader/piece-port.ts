import { on } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";

/**
 * A stream from one thread to another through a few buffers that both see: nothing is garbage afterwards however long it
 * is, and no more of it is under way than they hold.
 */
const SLOT_BYTES = 1024 * 1024;
/** One that is filled, two that wait, one that is read. */
const SLOTS = 4;

export interface PiecePort {
  readonly port: MessagePort;
  readonly slots: readonly SharedArrayBuffer[];
}

/** What goes one way; the bare number of the slot comes back. `null` goes last, and only when the stream was whole. */
interface Piece {
  readonly slot: number;
  readonly sizeBytes: number;
}

export function openPieceChannel(): { readonly sender: PiecePort; readonly receiver: PiecePort } {
  const { port1, port2 } = new MessageChannel();
  const slots = Array.from({ length: SLOTS }, () => new SharedArrayBuffer(SLOT_BYTES));
  return { sender: { port: port1, slots }, receiver: { port: port2, slots } };
}

/** Resolves when all of the source is handed over, or nobody reads on. A source that throws is given no end. */
export async function sendPieces(source: AsyncIterable<Uint8Array>, { port, slots }: PiecePort): Promise<void> {
  const unused = [...slots.keys()];
  const returned = on(port, "message", { close: ["close"] });
  /** null: the port is closed. */
  const takeUnused = async (): Promise<number | null> => {
    const slot = unused.pop();
    if (slot !== undefined) return slot;
    const next = (await returned.next()) as IteratorResult<[number], undefined>; // what `receivePieces` sends back
    return next.done === true ? null : next.value[0];
  };
  const post = (message: Piece | null): void => port.postMessage(message);

  let slot = await takeUnused();
  let filled = 0;
  for await (const data of source) {
    for (let offset = 0; offset < data.length;) {
      if (slot !== null && filled === SLOT_BYTES) {
        post({ slot, sizeBytes: filled });
        slot = await takeUnused();
        filled = 0;
      }
      if (slot === null) return;
      const taken = Math.min(SLOT_BYTES - filled, data.length - offset);
      viewOf(slots, slot, filled, taken).set(data.subarray(offset, offset + taken));
      filled += taken;
      offset += taken;
    }
  }
  if (slot === null) return;
  post({ slot, sizeBytes: filled });
  post(null);
}

/** Each piece is there until the next one is asked for. @throws when the port closes before the stream's end */
export async function* receivePieces({ port, slots }: PiecePort): AsyncGenerator<Uint8Array, void, undefined> {
  const messages = on(port, "message", { close: ["close"] }) as AsyncIterable<[Piece | null]>; // what `sendPieces` sends
  for await (const [piece] of messages) {
    if (piece === null) return;
    yield viewOf(slots, piece.slot, 0, piece.sizeBytes);
    port.postMessage(piece.slot);
  }
  throw new Error("the other thread ended before its stream did");
}

function viewOf(slots: PiecePort["slots"], slot: number, offset: number, sizeBytes: number): Uint8Array {
  const memory = slots[slot];
  if (memory === undefined) throw new RangeError(`no slot ${slot}`);
  return new Uint8Array(memory, offset, sizeBytes);
}
