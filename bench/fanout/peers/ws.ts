import type { Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { portOf, same } from "../../echo/peers/peer.js";
import { serialised } from "../../messages.js";
import type { FanoutPeer } from "./peer.js";

const SEND = { binary: true, compress: false };

/**
 * Raw WebSocket. `"send"` calls `send` for each client; `"framed"` builds the WebSocket frame once and writes it to the
 * TCP sockets, those frames of one turn in one call of the system for each.
 */
export function webSocket(way: "send" | "framed", bytes: number): FanoutPeer {
  return {
    serve() {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
      const payload = serialised(bytes);
      const broadcast = way === "send" ? () => sendToAll(server, payload) : framed(server, payload);
      return new Promise((resolve) => server.on("listening", () => resolve({ port: portOf(server), broadcast })));
    },
    connect(port, received) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
      socket.on("message", (data) => {
        same("length", (data as Buffer).length, bytes);
        received();
      });
      return new Promise((resolve, reject) => {
        socket.on("open", () => resolve());
        socket.on("error", reject);
      });
    },
  };
}

function sendToAll(server: WebSocketServer, payload: Buffer): void {
  for (const client of server.clients) client.send(payload, SEND);
}

function framed(server: WebSocketServer, payload: Buffer): () => void {
  const sockets: Socket[] = [];
  server.on("connection", (_, request) => sockets.push(request.socket));
  let waiting = false;
  const uncork = () => {
    waiting = false;
    for (const socket of sockets) socket.uncork();
  };
  return () => {
    // A final binary frame of at most 125 bytes, not masked: RFC 6455 section 5.2.
    const frame = Buffer.concat([Buffer.of(0x82, payload.length), payload]);
    if (!waiting) {
      waiting = true;
      for (const socket of sockets) socket.cork();
      setImmediate(uncork);
    }
    for (const socket of sockets) socket.write(frame);
  };
}
