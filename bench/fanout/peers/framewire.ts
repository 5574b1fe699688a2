import { createClient } from "../../../src/client/index.js";
import { createServer } from "../../../src/server/index.js";
import { same } from "../../echo/peers/peer.js";
import { BenchServiceDefinition, type NewsRequest } from "../../gen/bench/v1/bench_service.js";
import { message, serialised } from "../../messages.js";
import { BENCH_LIMITS } from "../../server-options.js";
import type { FanoutPeer } from "./peer.js";

/**
 * `server.broadcast` of a typed one-way command in version 2, all options but the limits of a single client at their defaults. `reliable`: with sequence,
 * acknowledged and kept for a resume by each receiver; otherwise at most once. Both have a checksum for each receiver.
 */
export function framewire({ over, reliable }: { readonly over: "ws" | "tcp"; readonly reliable: boolean }): FanoutPeer {
  const { methods } = BenchServiceDefinition;
  return {
    async serve() {
      // The message is the peers' message within another: two bytes more.
      const news = { message: message(0, new Uint8Array(0)) };
      if (serialised(64).length !== 64) throw new Error("the message is not of the size that is compared");
      const server = createServer(BENCH_LIMITS);
      server.on("disconnection", (_, error) => {
        console.error(error);
        process.exit(1);
      });
      const addresses = await server.listen({ [over]: {} });
      const broadcast = reliable ? () => server.broadcast(methods.news, news) : () => server.broadcast(methods.flash, news);
      return { port: addresses[over]!.port, broadcast };
    },
    async connect(port, received) {
      const client = createClient(`${over}://127.0.0.1:${port}`);
      const take = (news: NewsRequest) => {
        same("id", news.message?.id ?? -1, 128);
        received();
      };
      client.implement(BenchServiceDefinition, { news: take, flash: take });
      client.on("gap", (gap) => {
        console.error(gap);
        process.exit(1);
      });
      await client.connect();
    },
  };
}
