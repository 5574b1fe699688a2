/** Answers an HTTP request or upgrade that is not served. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../runtime/clock.js";

/** Answers with `status`, and ends the socket as {@link endWith} does. */
export function refuseUpgrade(socket: Duplex, status: 400 | 404 | 408 | 413 | 431 | 503, clock: Clock, timeoutMs: number): void {
  // RFC 6455 section 4.4: a client that speaks another version of WebSocket learns which one is spoken here.
  const version = status === 400 ? "Sec-WebSocket-Version: 13\r\n" : "";
  const answer = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${version}Content-Length: 0\r\n\r\n`;
  endWith(socket, answer, clock, timeoutMs);
}

/**
 * Writes `answer` and destroys the socket, which HTTP servers leave half open otherwise. A peer that does not read
 * what was sent to it before cannot keep the socket for longer than `timeoutMs`.
 */
export function endWith(socket: Duplex, answer: string | Uint8Array, clock: Clock, timeoutMs: number): void {
  socket.on("error", () => {});
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const timer = clock.setTimer(timeoutMs, () => socket.destroy());
  socket.once("close", () => timer.cancel());
  socket.once("finish", () => socket.destroy());
  socket.end(answer);
}
