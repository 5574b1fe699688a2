/** The client's process of one contestant. It starts the server's process and drives it when asked. */
import { answerParent, endWithParent, Worker } from "../processes.js";
import { drive } from "./drive.js";
import type { Lane } from "./peers/peer.js";
import { subjectNamed } from "./subjects.js";
import type { Sample, Work } from "./works.js";

endWithParent();
const name = process.argv[2]!;
const server = await Worker.start(`${name}, server`, new URL("./server-process.js", import.meta.url), [name], {
  execArgv: process.execArgv,
  core: 1,
});
const port = await server.ask<number>("port");
const peer = await subjectNamed(name).load();

const lanes: Lane[] = [];
const answers = { replied: (_lane: Lane) => {} };

answerParent({
  sample: async ({ work, ms }: { work: Work; ms: number }): Promise<Sample> => {
    while (lanes.length < work.connections) {
      const lane: Lane = await peer.connect(port, () => answers.replied(lane));
      lanes.push(lane);
    }
    const used = lanes.slice(0, work.connections);
    for (const lane of used) lane.prepare(work.bytes);
    const serverBefore = await server.ask<NodeJS.CpuUsage>("cpu");
    const before = process.cpuUsage();
    const driven = await drive(used, answers, work.inFlight, ms);
    const own = process.cpuUsage(before);
    const serverAfter = await server.ask<NodeJS.CpuUsage>("cpu");
    return {
      ...driven,
      clientCpuMicros: own.user + own.system,
      serverCpuMicros: serverAfter.user + serverAfter.system - serverBefore.user - serverBefore.system,
    };
  },
});
