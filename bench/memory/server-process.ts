/** The server's process of one contestant, asked for its memory. It ends with the process that started it. */
import { subjectNamed } from "../echo/subjects.js";
import { answerParent, endWithParent } from "../processes.js";
import { settledMemory } from "./settled.js";

endWithParent();
const peer = await subjectNamed(process.argv[2]!).load();
const port = await peer.serve();
answerParent({ port: () => port, memory: settledMemory, cpu: () => process.cpuUsage() });
