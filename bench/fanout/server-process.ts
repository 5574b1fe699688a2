/** The server's process of one contestant. It ends with the process that started it. */
import { answerParent, endWithParent } from "../processes.js";
import { subjectNamed } from "./subjects.js";

/** Broadcasts that may be on their way; far below what any contestant queues before it drops or refuses. */
const WINDOW = 64;

endWithParent();
const peer = await subjectNamed(process.argv[2]!).load();
const server = await peer.serve();
let delivered = 0;
let goOn = () => {};

answerParent({
  port: () => server.port,
  cpu: () => process.cpuUsage(),
  delivered: (broadcasts: number) => {
    delivered = broadcasts;
    goOn();
  },
  broadcast: ({ ms, burst }: { ms: number; burst: number }) => broadcastFor(ms, burst),
});

/** Sends `burst` broadcasts in each turn of the event loop while there is room in the window. Gives how many it sent. */
function broadcastFor(ms: number, burst: number): Promise<number> {
  return new Promise((resolve) => {
    let sent = 0;
    let stopping = false;
    delivered = 0;
    setTimeout(() => {
      stopping = true;
      turn();
    }, ms);
    const turn = () => {
      goOn = () => {};
      if (stopping) return resolve(sent);
      if (sent - delivered + burst > WINDOW) {
        goOn = turn;
        return;
      }
      for (let i = 0; i < burst; i++) server.broadcast();
      sent += burst;
      setImmediate(turn);
    };
    turn();
  });
}
