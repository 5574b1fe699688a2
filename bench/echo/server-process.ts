/** The server's process of one contestant. It ends with the process that started it. */
import { answerParent, endWithParent } from "../processes.js";
import { subjectNamed } from "./subjects.js";

endWithParent();
const peer = await subjectNamed(process.argv[2]!).load();
const port = await peer.serve();
answerParent({ port: () => port, cpu: () => process.cpuUsage() });
