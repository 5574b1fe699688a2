import { createChannel, createClient, createServer } from "nice-grpc";
import { BenchServiceDefinition } from "../../gen/bench/v1/bench_service.js";
import { typedLane } from "../../messages.js";
import type { EchoPeer } from "./peer.js";

/** nice-grpc over grpc-js: unary calls with ts-proto's messages. */
export const niceGrpc: EchoPeer = {
  serve() {
    const server = createServer();
    server.add(BenchServiceDefinition, {
      echo: async (request) => request,
      echoStream: async function* (requests) {
        for await (const { message } of requests) yield { message };
      },
      news: async () => ({}),
      flash: async () => ({}),
    });
    return server.listen("127.0.0.1:0");
  },
  async connect(port, replied) {
    // A pool of its own: channels to one address would share a connection.
    const channel = createChannel(`http://127.0.0.1:${port}`, undefined, { "grpc.use_local_subchannel_pool": 1 });
    const client = createClient(BenchServiceDefinition, channel);
    return typedLane((request) => client.echo(request), replied);
  },
};
