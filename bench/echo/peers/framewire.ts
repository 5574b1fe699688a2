import { createClient } from "../../../src/client/index.js";
import { createServer } from "../../../src/server/index.js";
import { BenchServiceDefinition } from "../../gen/bench/v1/bench_service.js";
import { attachmentFor, message } from "../../messages.js";
import { type EchoPeer, same } from "./peer.js";

/** Typed calls in version 2, all options at their defaults: reliable, with sequence, checksum and a deadline each. */
export function framewire({ over }: { readonly over: "ws" | "tcp" }): EchoPeer {
  return {
    async serve() {
      const server = createServer();
      server.implement(BenchServiceDefinition, { echo: (request) => request });
      server.on("failure", ({ error }) => fail(error));
      const addresses = await server.listen({ [over]: {} });
      return addresses[over]!.port;
    },
    async connect(port, replied) {
      const client = createClient(`${over}://127.0.0.1:${port}`);
      await client.connect();
      const bench = client.service(BenchServiceDefinition);
      let attachment: Uint8Array = new Uint8Array(0);
      let sequence = 0;
      const call = async () => {
        const request = message(sequence++, attachment);
        const reply = await bench.echo(request);
        same("id", reply.id, request.id);
        same("attachment of length", reply.attachment.length, attachment.length);
        replied();
      };
      return {
        prepare: (bytes) => {
          attachment = attachmentFor(bytes);
        },
        send: () => void call().catch(fail),
      };
    },
  };
}

function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}
