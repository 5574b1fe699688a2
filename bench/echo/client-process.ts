/** The client's process of one contestant. It starts the server's process and drives it when asked. */
import { answerParent, endWithParent, Worker } from "../processes.js";
import type { Lane } from "./peers/peer.js";
import { subjectNamed } from "./subjects.js";
import type { Sample, Work } from "./works.js";

/** How long the last answers may take once nothing more is sent, in milliseconds. */
const LAST_ANSWERS_MS = 10_000;

endWithParent();
const name = process.argv[2]!;
const server = await Worker.start(`${name}, server`, new URL("./server-process.js", import.meta.url), [name], {
  execArgv: process.execArgv,
});
const port = await server.ask<number>("port");
const peer = await subjectNamed(name).load();

const lanes: Lane[] = [];
let replied: (lane: Lane) => void = () => {};

answerParent({
  sample: async ({ work, ms }: { work: Work; ms: number }): Promise<Sample> => {
    while (lanes.length < work.connections) {
      const lane: Lane = await peer.connect(port, () => replied(lane));
      lanes.push(lane);
    }
    const used = lanes.slice(0, work.connections);
    for (const lane of used) lane.prepare(work.bytes);
    const serverBefore = await server.ask<NodeJS.CpuUsage>("cpu");
    const before = process.cpuUsage();
    const driven = await drive(used, work.inFlight, ms);
    const own = process.cpuUsage(before);
    const serverAfter = await server.ask<NodeJS.CpuUsage>("cpu");
    return {
      ...driven,
      clientCpuMicros: own.user + own.system,
      serverCpuMicros: serverAfter.user + serverAfter.system - serverBefore.user - serverBefore.system,
    };
  },
});

/** Keeps `inFlight` messages on their way on each lane for `ms`, then waits for the last answers. */
function drive(used: readonly Lane[], inFlight: number, ms: number): Promise<{ messages: number; elapsedMs: number }> {
  return new Promise((resolve, reject) => {
    let messages = 0;
    let waiting = used.length * inFlight;
    let stopping = false;
    const start = performance.now();
    const tooLong = setTimeout(() => reject(new Error(`${waiting} answers did not come`)), ms + LAST_ANSWERS_MS);
    setTimeout(() => {
      stopping = true;
    }, ms);
    replied = (lane) => {
      messages++;
      if (!stopping) return lane.send();
      if (--waiting > 0) return;
      clearTimeout(tooLong);
      resolve({ messages, elapsedMs: performance.now() - start });
    };
    for (const lane of used) for (let i = 0; i < inFlight; i++) lane.send();
  });
}
