/** The server that is attacked: everything at its defaults. Tells its parent its addresses, and its figures when asked. */
import { channel } from "node:diagnostics_channel";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createServer } from "../../../src/server/index.js";
import { BYTES, ECHO, LARGE, LARGE_BYTES, TAKE } from "../../helpers/attacks.js";
import type { Addresses, Question, ServerFigures } from "./figures.js";
import { raiseThis } from "./processes.js";

/** More than the server has sockets at any time. */
const MOST_DESCRIPTORS = 8192;

/**
 * Linux keeps a table of descriptors, and stops the process for 10 to 30 ms each time it has to double it: once in the life of a
 * process for its 256th, 512th, 1,024th and so on, whatever that is. The server attacked is one that has had so many before.
 */
const opened = Array.from({ length: MOST_DESCRIPTORS }, () => openSync("/dev/null", "r"));
for (const descriptor of opened) closeSync(descriptor);

let accepted = 0;
let bytesRead = 0;
const open = new Set<Socket>();
channel("net.server.socket").subscribe((message) => {
  const { socket } = message as { socket: Socket };
  accepted++;
  open.add(socket);
  socket.once("close", () => {
    open.delete(socket);
    bytesRead += socket.bytesRead;
  });
});

const server = createServer();
server.handle(ECHO, BYTES, (message) => message);
server.handle(TAKE, BYTES, () => undefined);
server.handle(LARGE, BYTES, () => new Uint8Array(LARGE_BYTES));
const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });

if (process.argv[2] === "target") raiseThis("server");
const late = monitorEventLoopDelay({ resolution: 1 });
late.enable();
let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 50);

process.on("message", (question: Question) => {
  if (question === "start") {
    peak = 0;
    late.reset();
  }
  if (question === "collect") globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const figures: ServerFigures = {
    at: performance.now(),
    rss: process.memoryUsage.rss(),
    peak,
    late: late.percentile(99) / 1e6,
    latest: late.max / 1e6,
    cpu: (user + system) / 1000,
    accepted,
    bytesRead: [...open].reduce((sum, socket) => sum + socket.bytesRead, bytesRead),
    stats: server.stats,
  };
  process.send?.(figures);
});
process.once("disconnect", () => process.exit());
const addresses: Addresses = { ws: ws?.url ?? "", tcp: tcp?.url ?? "" };
process.send?.(addresses);
