/** What the browsers connect to: a server with the test page, behind a proxy that breaks links when it is told to. */
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { createServer, type Server } from "../../src/server/index.js";
import { type ChaosProxy, createChaosProxy, type FaultSource } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { CALL, CALL_ME, callsOfAllKinds, MIRROR, NOTE, RAW, TEXT } from "./page/wire.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The scripts, bundled from the built package as an application would. */
export interface Scripts {
  readonly page: string;
  readonly worker: string;
}

export async function bundleScripts(): Promise<Scripts> {
  const [page, worker] = await Promise.all([bundle("page"), bundle("worker")]);
  return { page, worker };
}

async function bundle(name: string): Promise<string> {
  const result = await build({
    root: ROOT,
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      // One file that is no module: not every engine takes modules as service workers.
      rolldownOptions: { input: `${ROOT}test/compatibility/page/${name}.ts`, output: { format: "iife" } },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  return output.flatMap((part) => (part.type === "chunk" ? [part.code] : [])).join("\n");
}

export class Stand {
  readonly server: Server;
  readonly proxy: ChaosProxy;
  readonly #http: HttpServer;
  /** The numbers of the numbered sends and calls, in the order they were handled. */
  handled: number[] = [];
  /** Called before each of them is handled. */
  onNumber: (count: number) => void = () => {};
  /** Pings of the server that a client has answered. */
  pongs = 0;
  /** Close codes of the links that have ended. */
  readonly closeCodes: number[] = [];

  private constructor(server: Server, proxy: ChaosProxy, http: HttpServer) {
    this.server = server;
    this.proxy = proxy;
    this.#http = http;
  }

  static async open({ page, worker }: Scripts, faults: FaultSource): Promise<Stand> {
    const http = createHttpServer((request, response) => {
      const [type, body] =
        request.url === "/page.js"
          ? ["text/javascript", page]
          : request.url === "/worker.js"
            ? ["text/javascript", worker]
            : [
                "text/html",
                `<!doctype html><link rel="icon" href="data:,">${request.url === "/other" ? "" : '<script src="/page.js"></script>'}`,
              ];
      response.writeHead(200, { "Content-Type": `${type}; charset=utf-8`, Connection: "close" });
      response.end(body);
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const server = createServer({ heartbeatIntervalMs: 500, heartbeatTimeoutMs: 3_000 });
    await server.listen({ ws: { server: http } });
    const proxy = await createChaosProxy({ target: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`, faults });
    const stand = new Stand(server, proxy, http);
    stand.#serve();
    return stand;
  }

  /** The address of the page. */
  get url(): string {
    return this.proxy.url.replace("ws:", "http:");
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.proxy.close();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #serve(): void {
    const { server } = this;
    server.implement(TestServiceDefinition, testService());
    server.handle(MIRROR, RAW, (bytes) => bytes);
    server.handle(NOTE, TEXT, (text) => this.#number(text));
    server.handle(CALL, TEXT, (text) => {
      this.#number(text);
      return String(2 * Number(text));
    });
    server.handle(CALL_ME, TEXT, async (_, { connection }) => {
      const service = connection.service(TestServiceDefinition);
      try {
        await callsOfAllKinds({
          echo: (request) => service.echo(request),
          count: (request) => service.count(request),
          sum: (requests) => service.sum(requests),
          chat: (requests) => service.chat(requests),
        });
        return "";
      } catch (error) {
        return String(error);
      }
    });
    server.on("frame", ({ kind, direction }) => {
      if (direction === "in" && kind === FrameKind.FRAME_KIND_PONG) this.pongs++;
    });
    server.on("connection", (connection) => connection.on("detach", ({ closeCode }) => this.closeCodes.push(closeCode)));
  }

  #number(text: string): void {
    this.onNumber(this.handled.length);
    this.handled.push(Number(text));
  }
}
