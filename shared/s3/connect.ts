import { buildConnector } from "undici";

/**
 * undici (7.30) takes a reset on a connection that the store wants closed for the end of a full answer, and then ends the
 * whole process by an assertion when somebody still reads: whoever can cut a connection could stop the program. Under
 * another code the reset is what it is, an answer that broke off.
 */
const RESET = "UND_ERR_RESET";

/** Opens connections directly; not those within a proxy's tunnel. */
export function connectWithin(timeoutMs: number): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs });
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error !== null) return callback(error, socket); // which is missing then, whatever its type says
      // before undici's own listener, since it is added only when this returns
      socket.on("error", (broken: NodeJS.ErrnoException) => {
        if (broken.code === "ECONNRESET") broken.code = RESET;
      });
      callback(error, socket);
    });
}
