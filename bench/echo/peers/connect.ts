import { createServer } from "node:http2";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, type ConnectRouter, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { benchRegistry } from "../../descriptors.js";
import { attachmentFor, message } from "../../messages.js";
import { type EchoPeer, portOf, same } from "./peer.js";

interface Message {
  readonly message?: { readonly id: number; readonly attachment?: Uint8Array };
}

/** @connectrpc/connect-node, the Connect protocol on HTTP/2: one stream both ways for each connection, protobuf-es's messages. */
export const connectNode: EchoPeer = {
  serve() {
    const service = benchService();
    const routes = (router: ConnectRouter) =>
      router.service(service, {
        async *echoStream(requests: AsyncIterable<Message>) {
          for await (const { message } of requests) yield { message };
        },
      } as never);
    const server = createServer(connectNodeAdapter({ routes }));
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(portOf(server))));
  },
  async connect(port, replied) {
    const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: "2" });
    const client = createClient(benchService(), transport) as Client<never> as unknown as {
      echoStream(requests: AsyncIterable<unknown>): AsyncIterable<Message>;
    };
    const requests = new Requests();
    let attachment: Uint8Array | undefined;
    let sent = 0;
    let received = 0;
    const read = async () => {
      for await (const { message: reply } of client.echoStream(requests)) {
        same("id", reply?.id ?? -1, message(received++, attachment).id);
        same("attachment of length", reply?.attachment?.length ?? 0, attachment?.length ?? 0);
        replied();
      }
    };
    read().catch((error) => {
      console.error(error);
      process.exit(1);
    });
    return {
      prepare: (bytes) => {
        attachment = attachmentFor(bytes);
      },
      send: () => requests.push({ message: message(sent++, attachment) }),
    };
  },
};

function benchService(): DescService {
  const service = benchRegistry().getService("bench.v1.BenchService");
  if (service === undefined) throw new Error("the descriptors lack the service");
  return service;
}

/** Requests that are put in from outside. */
class Requests {
  readonly #waiting: unknown[] = [];
  #wake = () => {};

  push(value: unknown): void {
    this.#waiting.push(value);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown> {
    for (;;) {
      while (this.#waiting.length > 0) yield this.#waiting.shift();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
