/** Every way to join a client and a server, for suites that run over all of them. */
import { readFileSync } from "node:fs";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { createServer, type Server, type ServerOptions } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";

export function tlsFixture(name: string): string {
  return readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), "utf8");
}

/** Opens `server` to clients; gives what makes a client of it. */
export interface Joint {
  readonly name: string;
  open(server: Server): Promise<(options?: ClientOptions) => Client>;
}

function memory(name: string, pair: Parameters<typeof memoryPair>[0]): Joint {
  return {
    name,
    open: async (server) => (options) =>
      createClient("ws://memory", {
        connector: async () => {
          const [near, far] = memoryPair(pair);
          server.accept(far);
          return near;
        },
        ...options,
      }),
  };
}

export const JOINTS: readonly Joint[] = [
  memory("memory stream", {}),
  memory("memory messages", { messages: true }),
  {
    name: "WebSocket",
    open: async (server) => {
      const { ws } = await server.listen({ ws: {} });
      return (options) => createClient(ws!.url, options);
    },
  },
  {
    name: "TCP",
    open: async (server) => {
      const { tcp } = await server.listen({ tcp: {} });
      return (options) => createClient(tcp!.url, options);
    },
  },
  {
    name: "TLS",
    open: async (server) => {
      const { tcp } = await server.listen({ tcp: { tls: { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") } } });
      return (options) => createClient(tcp!.url, { tls: { ca: tlsFixture("ca.pem") }, ...options });
    },
  },
  {
    name: "secure WebSocket",
    open: async (server) => {
      const { ws } = await server.listen({ ws: { tls: { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") } } });
      return (options) => createClient(ws!.url, { tls: { ca: tlsFixture("ca.pem") }, ...options });
    },
  },
];

/** A server and clients that end with the test. */
export class Bench {
  readonly #ends: (() => Promise<void>)[] = [];

  server(options: ServerOptions = {}): Server {
    const server = createServer({ logger: false, ...options });
    this.#ends.push(() => server.close());
    return server;
  }

  async client(make: (options?: ClientOptions) => Client, options: ClientOptions = {}): Promise<Client> {
    const client = make({ reconnect: false, logger: false, ...options });
    this.#ends.unshift(() => client.close());
    await client.connect();
    return client;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
  }
}
