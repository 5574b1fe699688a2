/** The clients of the scaling benchmark. They start the server's process and load it when asked. */
import { type Client, createClient } from "../../src/client/index.js";
import { drive } from "../echo/drive.js";
import type { Lane } from "../echo/peers/peer.js";
import { Deliveries } from "../fanout/deliveries.js";
import { BenchServiceDefinition } from "../gen/bench/v1/bench_service.js";
import { type Memory, settledMemory } from "../memory/settled.js";
import { typedLane } from "../messages.js";
import { answerParent, endWithParent, Worker } from "../processes.js";

/** Connections that are opened at a time. */
const AT_ONCE = 50;

/** Work that was done, and the server's processor time for it. */
export interface Done {
  readonly count: number;
  readonly elapsedMs: number;
  readonly serverCpuMicros: number;
}

/** Memory of both sides. */
export interface Sides {
  readonly server: Memory;
  readonly client: Memory;
}

endWithParent();
const over = process.argv[2]!;
const server = await Worker.start(`framewire ${over}, server`, new URL("./server-process.js", import.meta.url), [over], {
  execArgv: process.execArgv,
});
const port = await server.ask<number>("port");
const clients: Client[] = [];
const lanes: Lane[] = [];
const answers = { replied: (_lane: Lane) => {} };
const deliveries = new Deliveries((count) => server.tell("delivered", count));

answerParent({
  open: (count: number) =>
    watched(async () => {
      const before = lanes.length;
      while (lanes.length < count) {
        await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - lanes.length) }, connect));
      }
      return count - before;
    }),
  memory: async (): Promise<Sides> => ({ client: await settledMemory(), server: await server.ask<Memory>("memory") }),
  idle: (ms: number) =>
    watched(async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return lanes.length;
    }),
  calls: ({ ms, bytes, inFlight }: { ms: number; bytes: number; inFlight: number }) =>
    watched(async () => {
      // Not more connections than messages on their way, chosen evenly.
      const used = lanes.filter((_, i) => i % Math.ceil(lanes.length / Math.min(lanes.length, inFlight)) === 0);
      for (const lane of used) lane.prepare(bytes);
      const { messages } = await drive(used, answers, Math.max(1, Math.floor(inFlight / used.length)), ms);
      return messages;
    }),
  broadcast: (question: { ms: number; kind: "flash" | "news" }) =>
    watched(async () => {
      deliveries.restart(lanes.length);
      return deliveries.all(await server.ask<number>("broadcast", question));
    }),
});

async function connect(): Promise<void> {
  const client = createClient(`${over}://127.0.0.1:${port}`);
  client.implement(BenchServiceDefinition, { news: deliveries.received, flash: deliveries.received });
  await client.connect();
  clients.push(client);
  const bench = client.service(BenchServiceDefinition);
  const lane: Lane = typedLane(
    (request) => bench.echo(request),
    () => answers.replied(lane),
  );
  lanes.push(lane);
}

async function watched(work: () => Promise<number>): Promise<Done> {
  const before = await server.ask<NodeJS.CpuUsage>("cpu");
  const start = performance.now();
  const count = await work();
  const elapsedMs = performance.now() - start;
  const after = await server.ask<NodeJS.CpuUsage>("cpu");
  return { count, elapsedMs, serverCpuMicros: after.user + after.system - before.user - before.system };
}
