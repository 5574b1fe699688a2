import { connect, createServer, type Socket } from "node:net";
import { serialised } from "../../messages.js";
import { type EchoPeer, portOf, same } from "./peer.js";

/** Raw TCP, each payload behind its length in four bytes. `corked`: the payloads of one turn leave in one call of the system. */
export function tcp({ corked }: { readonly corked: boolean }): EchoPeer {
  return {
    serve() {
      const server = createServer({ noDelay: true }, (socket) => {
        const send = sender(socket, corked);
        socket.on("data", splitter(send));
        socket.on("error", () => socket.destroy());
      });
      return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(portOf(server))));
    },
    connect(port, replied) {
      const socket = connect({ host: "127.0.0.1", port, noDelay: true });
      const send = sender(socket, corked);
      let framed: Buffer = Buffer.alloc(0);
      socket.on(
        "data",
        splitter((frame) => {
          same("length", frame.length, framed.length);
          replied();
        }),
      );
      return new Promise((resolve, reject) => {
        socket.on("error", reject);
        socket.on("connect", () =>
          resolve({
            prepare: (bytes) => {
              framed = Buffer.concat([Buffer.alloc(4), serialised(bytes)]);
              framed.writeUInt32BE(bytes);
            },
            send: () => send(framed),
          }),
        );
      });
    },
  };
}

/** Hands on each length and payload, as one view. */
function splitter(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined;
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      onFrame(bytes.subarray(at, end));
      at = end;
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at);
  };
}

function sender(socket: Socket, corked: boolean): (frame: Buffer) => void {
  if (!corked) return (frame) => void socket.write(frame);
  let waiting = false;
  const uncork = () => {
    waiting = false;
    socket.uncork();
  };
  return (frame) => {
    if (!waiting) {
      waiting = true;
      socket.cork();
      setImmediate(uncork);
    }
    socket.write(frame);
  };
}
