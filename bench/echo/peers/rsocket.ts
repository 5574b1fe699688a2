import { createServer } from "node:net";
import { type ClientTransport, RSocketConnector, RSocketServer, type ServerTransport } from "rsocket-core";
import { TcpClientTransport } from "rsocket-tcp-client";
import { TcpServerTransport } from "rsocket-tcp-server";
import { WebsocketClientTransport } from "rsocket-websocket-client";
import { WebsocketServerTransport } from "rsocket-websocket-server";
import { WebSocket, WebSocketServer } from "ws";
import { serialised } from "../../messages.js";
import { type EchoPeer, portOf, same } from "./peer.js";

/** rsocket's request-response, bytes handed through without a schema. */
export function rsocket({ over }: { readonly over: "ws" | "tcp" }): EchoPeer {
  return {
    async serve() {
      const port = await freePort();
      const server = new RSocketServer({
        transport: serverTransport(over, port),
        acceptor: {
          accept: async () => ({
            requestResponse: ({ data }, responder) => {
              responder.onNext({ data }, true);
              return { cancel: () => {}, onExtension: () => {} };
            },
          }),
        },
      });
      await server.bind();
      return port;
    },
    async connect(port, replied) {
      const connector = new RSocketConnector({ transport: clientTransport(over, port) });
      const connection = await connector.connect();
      let payload: Buffer = Buffer.alloc(0);
      const responder = {
        onNext: ({ data }: { data?: Buffer | null | undefined }) => {
          same("length", data?.length ?? -1, payload.length);
          replied();
        },
        onComplete: () => {},
        onExtension: () => {},
        onError: (error: Error) => {
          console.error(error);
          process.exit(1);
        },
      };
      return {
        prepare: (bytes) => {
          payload = serialised(bytes);
        },
        send: () => void connection.requestResponse({ data: payload }, responder),
      };
    },
  };
}

function serverTransport(over: "ws" | "tcp", port: number): ServerTransport {
  const host = "127.0.0.1";
  if (over === "tcp") return new TcpServerTransport({ listenOptions: { port, host } });
  return new WebsocketServerTransport({ wsCreator: () => new WebSocketServer({ port, host }) as never });
}

function clientTransport(over: "ws" | "tcp", port: number): ClientTransport {
  if (over === "tcp") return new TcpClientTransport({ connectionOptions: { port, host: "127.0.0.1" } });
  return new WebsocketClientTransport({ url: `ws://127.0.0.1:${port}`, wsCreator: (url) => new WebSocket(url) as never });
}

/** rsocket does not tell which port it was given, so it is told one that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const port = portOf(server);
      server.close(() => resolve(port));
    });
  });
}
