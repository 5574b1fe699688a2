/** The clients' process of one contestant. It starts the server's process and opens connections when asked. */
import type { Lane } from "../echo/peers/peer.js";
import { subjectNamed } from "../echo/subjects.js";
import { answerParent, endWithParent, Worker } from "../processes.js";
import { type Memory, settledMemory } from "./settled.js";

/** Memory of both sides. */
export interface Sides {
  readonly server: Memory;
  readonly client: Memory;
}

/** Processor time of both sides while nothing happened, in microseconds. */
export interface IdleCpu {
  readonly server: number;
  readonly client: number;
}

/** Connections that are opened at a time. */
const AT_ONCE = 50;

endWithParent();
const name = process.argv[2]!;
const server = await Worker.start(`${name}, server`, new URL("./server-process.js", import.meta.url), [name], {
  execArgv: process.execArgv,
});
const port = await server.ask<number>("port");
const peer = await subjectNamed(name).load();
const lanes: Lane[] = [];
let waiting = 0;
let allReplied = () => {};

answerParent({
  /** Opens connections until there are so many, and gives the seconds that took. */
  open: async (count: number) => {
    const start = performance.now();
    while (lanes.length < count) {
      const more = Array.from({ length: Math.min(AT_ONCE, count - lanes.length) }, () => peer.connect(port, replied));
      lanes.push(...(await Promise.all(more)));
    }
    return (performance.now() - start) / 1000;
  },
  /** Sends one message of 64 bytes there and back on each connection. */
  useAll: () =>
    new Promise<void>((resolve) => {
      waiting = lanes.length;
      allReplied = resolve;
      for (const lane of lanes) {
        lane.prepare(64);
        lane.send();
      }
    }),
  memory: async (): Promise<Sides> => ({ client: await settledMemory(), server: await server.ask<Memory>("memory") }),
  /** Does nothing for `ms`. */
  idle: async (ms: number): Promise<IdleCpu> => {
    const before = await server.ask<NodeJS.CpuUsage>("cpu");
    const own = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const after = await server.ask<NodeJS.CpuUsage>("cpu");
    const used = process.cpuUsage(own);
    return { server: after.user + after.system - before.user - before.system, client: used.user + used.system };
  },
});

function replied(): void {
  if (--waiting === 0) allReplied();
}
