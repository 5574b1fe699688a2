/** Answers an HTTP upgrade that is not served. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../connection/clock.js";

/**
 * Answers with `status` and destroys the socket, which HTTP servers leave half open otherwise. A peer that does not read
 * what was sent to it before cannot keep the socket for longer than `timeoutMs`.
 */
export function refuseUpgrade(socket: Duplex, status: 400 | 404 | 503, clock: Clock, timeoutMs: number): void {
  socket.on("error", () => {});
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const timer = clock.setTimer(timeoutMs, () => socket.destroy());
  socket.once("close", () => timer.cancel());
  socket.once("finish", () => socket.destroy());
  // RFC 6455 section 4.4: a client that speaks another version of WebSocket learns which one is spoken here.
  const version = status === 400 ? "Sec-WebSocket-Version: 13\r\n" : "";
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${version}Content-Length: 0\r\n\r\n`);
}
