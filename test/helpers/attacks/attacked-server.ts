/** The server that is attacked, in the soak and in the test: what it serves, and how it knows its clients. */
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer, type Server, type ServerOptions } from "../../../src/server/index.js";
import { TestServiceDefinition } from "../../gen/test/v1/test_service.js";

/** Commands: gives back what it got; takes it; gives `LARGE_BYTES`; takes long, whatever becomes of its call; joins the room. */
export const ECHO = 0x0201;
export const TAKE = 0x0202;
export const LARGE = 0x0203;
export const SLOW = 0x0204;
export const JOIN = 0x0205;
/** Methods of the test's service: a request stream that its handler does not read, and one that `authorize` never lets in. */
export const UNREAD = 0x0103;
export const UNAUTHORIZED = 0x0104;
export const LARGE_BYTES = 512 * 1024;
export const ROOM = "crowd";
/** Only upgrades of this path are served on the HTTP server of the application's own. */
export const PATH = "/socket";

/** A client with these credentials is authenticated after a while, any other at once. */
export const THINK = "think";
/** How long `authenticate` thinks, and the slow command takes, in milliseconds. */
export interface Delays {
  readonly thinkMs: number;
  readonly slowMs: number;
}

const FULL_DELAYS: Delays = { thinkMs: 2000, slowMs: 10_000 };
/** The room and everybody get a message this often. */
const TICK_MS = 100;

/** A codec whose messages are their bytes. */
export const BYTES = {
  encode: (bytes: Uint8Array) => ({ finish: () => bytes }),
  decode: (bytes: Uint8Array) => bytes,
};

/** Where the server is: WebSocket, TCP, and WebSocket on an HTTP server of the application's own. */
export interface Addresses {
  readonly ws: string;
  readonly tcp: string;
  readonly shared: string;
}

export interface AttackedServer {
  readonly server: Server;
  readonly addresses: Addresses;
  /** Handlers of `SLOW` that run, and the most there were. */
  readonly handlers: { running: number; most: number };
  close(): Promise<void>;
}

export async function startAttackedServer(options: ServerOptions = {}, { thinkMs, slowMs } = FULL_DELAYS): Promise<AttackedServer> {
  const handlers = { running: 0, most: 0 };
  const server = createServer({
    logger: false,
    ...options,
    authenticate: ({ credentials }) => {
      const subject = new TextDecoder().decode(credentials.subarray(0, 100)) || "anonymous";
      const known = { identity: subject, subject };
      return subject === THINK ? sleep(thinkMs, known, { ref: false }) : known;
    },
    authorize: (context) => {
      // A context makes its signal when it is asked for: not for every frame of a flood.
      if (context.command.cmd !== UNAUTHORIZED) return true;
      return new Promise((resolve) => context.signal.addEventListener("abort", () => resolve(false)));
    },
  });
  const unread = (_requests: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  server.implement(TestServiceDefinition, {
    echo: ({ text }) => ({ text }),
    async *count() {},
    sum: unread,
    async *chat() {},
    note: () => {},
    sample: ({ text }) => ({ text }),
    price: () => {},
  });
  server.handle(ECHO, BYTES, (message) => message);
  server.handle(TAKE, BYTES, () => undefined);
  server.handle(LARGE, BYTES, () => new Uint8Array(LARGE_BYTES));
  server.handle(SLOW, BYTES, async (message) => {
    handlers.most = Math.max(handlers.most, ++handlers.running);
    await sleep(slowMs, undefined, { ref: false });
    handlers.running--;
    return message;
  });
  server.handle(JOIN, BYTES, async (message, { connection }) => {
    await connection.join(ROOM);
    return message;
  });
  const { price, note } = TestServiceDefinition.methods;
  const ticker = setInterval(() => {
    server.broadcast(price, { price: 7n });
    server.to(ROOM).send(note, { text: "to the room" });
  }, TICK_MS);

  const http = createHttpServer((_request, response) => response.end());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
  await server.listen({ ws: { server: http, path: PATH } });
  const { port } = http.address() as AddressInfo;
  return {
    server,
    addresses: { ws: ws!.url, tcp: tcp!.url, shared: `ws://127.0.0.1:${port}${PATH}` },
    handlers,
    async close() {
      clearInterval(ticker);
      await server.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
