import type { Socket } from "node:net";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { serialised } from "../../messages.js";
import { type EchoPeer, portOf, same } from "./peer.js";

const SEND = { binary: true, compress: false };

/** Raw WebSocket messages, one for each payload. `corked`: those of one turn leave in one call of the system. */
export function webSocket({ corked }: { readonly corked: boolean }): EchoPeer {
  return {
    serve() {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
      server.on("connection", (socket, request) => {
        const send = sender(socket, request.socket, corked);
        socket.on("message", (data) => send(data as Buffer));
      });
      return new Promise((resolve) => server.on("listening", () => resolve(portOf(server))));
    },
    async connect(port, replied) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
      const raw = await new Promise<Socket>((resolve, reject) => {
        let below: Socket;
        socket.on("upgrade", (response) => {
          below = response.socket;
        });
        socket.on("open", () => resolve(below));
        socket.on("error", reject);
      });
      const send = sender(socket, raw, corked);
      let payload: Buffer = Buffer.alloc(0);
      socket.on("message", (data: RawData) => {
        same("length", (data as Buffer).length, payload.length);
        replied();
      });
      return {
        prepare: (bytes) => {
          payload = serialised(bytes);
        },
        send: () => send(payload),
      };
    },
  };
}

function sender(socket: WebSocket, raw: Socket, corked: boolean): (data: Buffer) => void {
  if (!corked) return (data) => socket.send(data, SEND);
  let waiting = false;
  const uncork = () => {
    waiting = false;
    raw.uncork();
  };
  return (data) => {
    if (!waiting) {
      waiting = true;
      raw.cork();
      setImmediate(uncork);
    }
    socket.send(data, SEND);
  };
}
