/** Our own server and client with the conformance service, for the kit to test. */
import { createClient } from "../../src/client/index.js";
import { ConformanceServiceDefinition } from "../../src/gen/framewire/conformance/v1/conformance.js";
import type { ConnectionOptions } from "../../src/options.js";
import { createServer } from "../../src/server/index.js";
import { conformanceService } from "./conformance-service.js";

/** Quick enough for the kit to wait for. */
const HEARTBEAT = { heartbeatIntervalMs: 200, heartbeatTimeoutMs: 1500 };
const OPTIONS = { initialCredit: 65_536, logger: false } as const;

export async function startServer(over: "tcp" | "ws", options: ConnectionOptions = {}): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer({ ...HEARTBEAT, ...OPTIONS, ...options });
  server.implement(ConformanceServiceDefinition, conformanceService());
  const { url } = (await server.listen({ [over]: {} }))[over]!;
  return { url, close: () => server.close() };
}

/** Comes again whenever it is sent away. */
export function startClient(url: string, options: ConnectionOptions & { version?: 1 | 2 } = {}): { close(): Promise<void> } {
  const reconnect = { baseMs: 1, maxMs: 5, jitter: "full", retries: Number.POSITIVE_INFINITY } as const;
  const client = createClient(url, { ...OPTIONS, ...options, reconnect });
  client.implement(ConformanceServiceDefinition, conformanceService());
  let closed = false;
  const connect = () => {
    if (!closed) void client.connect().catch(() => {});
  };
  client.on("state", (state) => {
    // A code that says not to come again ended it; whoever runs the kit starts such a client anew.
    if (state === "disconnected") queueMicrotask(connect);
  });
  connect();
  return {
    close: () => {
      closed = true;
      return client.close();
    },
  };
}
