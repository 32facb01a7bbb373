/** The thread that `encode-thread.ts` starts. */
import { workerData } from "node:worker_threads";
import { sealStream } from "./age-stream.ts";
import { compress } from "./compress.ts";
import type { EncodeWork } from "./encode-thread.ts";
import { receivePieces, sendPieces } from "./piece-port.ts";

const { compression, payloadKey, input, output } = workerData as EncodeWork; // what the thread is started with
const raw = receivePieces(input);
const compressed = compression === null ? raw : compress(raw, compression);
await sendPieces(payloadKey === null ? compressed : sealStream(compressed, payloadKey), output);
