import { createServer } from "node:http";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { serialised } from "../../messages.js";
import { type EchoPeer, portOf, same } from "./peer.js";

/** Events with a binary argument, WebSocket only, no acknowledgements: the way that costs socket.io least. */
export const socketIo: EchoPeer = {
  serve() {
    const http = createServer();
    const server = new Server(http, { transports: ["websocket"], maxHttpBufferSize: 1e8 });
    server.on("connection", (socket) => {
      socket.on("m", (data: Buffer) => socket.emit("m", data));
    });
    return new Promise((resolve) => http.listen(0, "127.0.0.1", () => resolve(portOf(http))));
  },
  connect(port, replied) {
    const socket = io(`ws://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true, reconnection: false });
    let payload: Buffer = Buffer.alloc(0);
    socket.on("m", (data: Buffer) => {
      same("length", data.length, payload.length);
      replied();
    });
    return new Promise((resolve, reject) => {
      socket.on("connect_error", reject);
      socket.on("connect", () =>
        resolve({
          prepare: (bytes) => {
            payload = serialised(bytes);
          },
          send: () => void socket.emit("m", payload),
        }),
      );
    });
  },
};
