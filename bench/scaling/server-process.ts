/** The server of the scaling benchmark: framewire over one transport. It ends with the process that started it. */
import { createServer } from "../../src/server/index.js";
import { Broadcasts } from "../fanout/broadcasts.js";
import { BenchServiceDefinition } from "../gen/bench/v1/bench_service.js";
import { settledMemory } from "../memory/settled.js";
import { message } from "../messages.js";
import { answerParent, endWithParent } from "../processes.js";
import { BENCH_LIMITS } from "../server-options.js";

endWithParent();
const over = process.argv[2] as "ws" | "tcp";
const { methods } = BenchServiceDefinition;
const news = { message: message(0, new Uint8Array(0)) };
const server = createServer(BENCH_LIMITS);
server.implement(BenchServiceDefinition, { echo: (request) => request });
const addresses = await server.listen({ [over]: {} });
const flashes = new Broadcasts(() => server.broadcast(methods.flash, news));
const reliable = new Broadcasts(() => server.broadcast(methods.news, news));
let running = flashes;

answerParent({
  port: () => addresses[over]!.port,
  cpu: () => process.cpuUsage(),
  memory: settledMemory,
  delivered: (count: number) => running.delivered(count),
  broadcast: ({ ms, kind }: { ms: number; kind: "flash" | "news" }) => {
    running = kind === "flash" ? flashes : reliable;
    return running.run({ ms, burst: 1 });
  },
});
