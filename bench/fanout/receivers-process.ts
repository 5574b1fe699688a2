/** The receivers' process of one contestant. It starts the server's process and has it broadcast when asked. */
import { answerParent, endWithParent, Worker } from "../processes.js";
import { subjectNamed } from "./subjects.js";

/** What one contestant did for a while. */
export interface Sample {
  readonly deliveries: number;
  readonly elapsedMs: number;
  readonly receiversCpuMicros: number;
  readonly serverCpuMicros: number;
}

/** The server is told of every so many broadcasts that all receivers have. */
const TELL_EVERY = 8;

/** How long the last messages may take, in milliseconds. */
const LAST_MESSAGES_MS = 10_000;

endWithParent();
const name = process.argv[2]!;
const receivers = Number(process.argv[3]);
const server = await Worker.start(`${name}, server`, new URL("./server-process.js", import.meta.url), [name], {
  execArgv: process.execArgv,
});
const port = await server.ask<number>("port");
const peer = await subjectNamed(name).load();

let deliveries = 0;
let wanted = Number.POSITIVE_INFINITY;
let complete = () => {};
const received = () => {
  deliveries++;
  if (deliveries % (receivers * TELL_EVERY) === 0) server.tell("delivered", deliveries / receivers);
  if (deliveries === wanted) complete();
};
for (let i = 0; i < receivers; i++) await peer.connect(port, received);

answerParent({
  sample: async (question: { ms: number; burst: number }): Promise<Sample> => {
    deliveries = 0;
    wanted = Number.POSITIVE_INFINITY;
    const serverBefore = await server.ask<NodeJS.CpuUsage>("cpu");
    const before = process.cpuUsage();
    const start = performance.now();
    const sent = await server.ask<number>("broadcast", question);
    await all(sent * receivers);
    const elapsedMs = performance.now() - start;
    const own = process.cpuUsage(before);
    const serverAfter = await server.ask<NodeJS.CpuUsage>("cpu");
    return {
      deliveries,
      elapsedMs,
      receiversCpuMicros: own.user + own.system,
      serverCpuMicros: serverAfter.user + serverAfter.system - serverBefore.user - serverBefore.system,
    };
  },
});

function all(count: number): Promise<void> {
  if (deliveries === count) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const tooLong = setTimeout(() => reject(new Error(`${count - deliveries} of ${count} messages did not come`)), LAST_MESSAGES_MS);
    wanted = count;
    complete = () => {
      clearTimeout(tooLong);
      resolve();
    };
  });
}
