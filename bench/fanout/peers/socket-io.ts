import { createServer } from "node:http";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { portOf, same } from "../../echo/peers/peer.js";
import { serialised } from "../../messages.js";
import type { FanoutPeer } from "./peer.js";

/** socket.io's own broadcast, of an event with a binary argument; WebSocket only. */
export function socketIo(bytes: number): FanoutPeer {
  return {
    serve() {
      const http = createServer();
      const server = new Server(http, { transports: ["websocket"] });
      const payload = serialised(bytes);
      const broadcast = () => void server.emit("m", payload);
      return new Promise((resolve) => http.listen(0, "127.0.0.1", () => resolve({ port: portOf(http), broadcast })));
    },
    connect(port, received) {
      const socket = io(`ws://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true, reconnection: false });
      socket.on("m", (data: Buffer) => {
        same("length", data.length, bytes);
        received();
      });
      return new Promise((resolve, reject) => {
        socket.on("connect_error", reject);
        socket.on("connect", () => resolve());
      });
    },
  };
}
