/** The server's process of one contestant. It ends with the process that started it. */
import { answerParent, endWithParent } from "../processes.js";
import { Broadcasts } from "./broadcasts.js";
import { subjectNamed } from "./subjects.js";

endWithParent();
const peer = await subjectNamed(process.argv[2]!).load();
const server = await peer.serve();
const broadcasts = new Broadcasts(() => server.broadcast());

answerParent({
  port: () => server.port,
  cpu: () => process.cpuUsage(),
  delivered: (count: number) => broadcasts.delivered(count),
  broadcast: (question: { ms: number; burst: number }) => broadcasts.run(question),
});
