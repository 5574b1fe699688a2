/** The receivers' process of one contestant. It starts the server's process and has it broadcast when asked. */
import { answerParent, endWithParent, Worker } from "../processes.js";
import { Deliveries } from "./deliveries.js";
import { subjectNamed } from "./subjects.js";

/** What one contestant did for a while. */
export interface Sample {
  readonly deliveries: number;
  readonly elapsedMs: number;
  readonly receiversCpuMicros: number;
  readonly serverCpuMicros: number;
}

endWithParent();
const name = process.argv[2]!;
const receivers = Number(process.argv[3]);
const server = await Worker.start(`${name}, server`, new URL("./server-process.js", import.meta.url), [name], {
  execArgv: process.execArgv,
  core: 1,
});
const port = await server.ask<number>("port");
const peer = await subjectNamed(name).load();

const deliveries = new Deliveries((broadcasts) => server.tell("delivered", broadcasts));
for (let i = 0; i < receivers; i++) await peer.connect(port, deliveries.received);

answerParent({
  sample: async (question: { ms: number; burst: number }): Promise<Sample> => {
    deliveries.restart(receivers);
    const serverBefore = await server.ask<NodeJS.CpuUsage>("cpu");
    const before = process.cpuUsage();
    const start = performance.now();
    const count = await deliveries.all(await server.ask<number>("broadcast", question));
    const elapsedMs = performance.now() - start;
    const own = process.cpuUsage(before);
    const serverAfter = await server.ask<NodeJS.CpuUsage>("cpu");
    return {
      deliveries: count,
      elapsedMs,
      receiversCpuMicros: own.user + own.system,
      serverCpuMicros: serverAfter.user + serverAfter.system - serverBefore.user - serverBefore.system,
    };
  },
});
