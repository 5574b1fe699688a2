import { createClient } from "../../../src/client/index.js";
import { createServer } from "../../../src/server/index.js";
import { BenchServiceDefinition } from "../../gen/bench/v1/bench_service.js";
import { typedLane } from "../../messages.js";
import { BENCH_LIMITS } from "../../server-options.js";
import type { EchoPeer } from "./peer.js";

/** Typed calls in version 2, all options but the limits of a single client at their defaults: reliable, with sequence, checksum and a deadline each. */
export function framewire({ over }: { readonly over: "ws" | "tcp" }): EchoPeer {
  return {
    async serve() {
      const server = createServer(BENCH_LIMITS);
      server.implement(BenchServiceDefinition, { echo: (request) => request });
      server.on("failure", ({ error }) => {
        console.error(error);
        process.exit(1);
      });
      const addresses = await server.listen({ [over]: {} });
      return addresses[over]!.port;
    },
    async connect(port, replied) {
      const client = createClient(`${over}://127.0.0.1:${port}`);
      await client.connect();
      const bench = client.service(BenchServiceDefinition);
      return typedLane((request) => bench.echo(request), replied);
    },
  };
}
