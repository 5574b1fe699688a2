/** The server that is attacked: everything at its defaults. Tells its parent its addresses, and its figures when asked. */
import { channel } from "node:diagnostics_channel";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { devNull } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ServerOptions } from "../../../src/server/index.js";
import { startAttackedServer } from "../../helpers/attacks/attacked-server.js";
import type { Question, ServerFigures } from "./figures.js";
import { raiseThis } from "./processes.js";

/** More than the server has sockets at any time. */
const MOST_DESCRIPTORS = 8192;
/** How often memory is looked at, in milliseconds. */
const LOOK_MS = 50;

/**
 * Linux keeps a table of descriptors, and stops the process for 10 to 30 ms each time it has to double it: once in the life of a
 * process for its 256th, 512th, 1,024th and so on, whatever that is. The server attacked is one that has had so many before.
 */
const opened = Array.from({ length: MOST_DESCRIPTORS }, () => openSync(devNull, "r"));
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

const [, , role, options = "{}"] = process.argv;
const { server, addresses, handlers } = await startAttackedServer(JSON.parse(options) as ServerOptions);

if (role === "target") raiseThis("server");
const late = monitorEventLoopDelay({ resolution: 1 });
late.enable();
const NO_PEAK = { rss: 0, heapUsed: 0, external: 0, heldBytes: 0 };
let peak = NO_PEAK;
setInterval(() => {
  const { rss, heapUsed, external } = process.memoryUsage();
  peak = {
    rss: Math.max(peak.rss, rss),
    heapUsed: Math.max(peak.heapUsed, heapUsed),
    external: Math.max(peak.external, external),
    heldBytes: Math.max(peak.heldBytes, server.stats.heldBytes),
  };
}, LOOK_MS);

process.on("message", (question: Question) => {
  if (question === "start") {
    peak = NO_PEAK;
    late.reset();
  }
  if (question === "collect") globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  const figures: ServerFigures = {
    at: performance.now(),
    memory: { rss, heapUsed, external },
    peak,
    late: late.percentile(99) / 1e6,
    latest: late.max / 1e6,
    cpu: (user + system) / 1000,
    accepted,
    bytesRead: [...open].reduce((sum, socket) => sum + socket.bytesRead, bytesRead),
    handlers: handlers.most,
    stats: server.stats,
  };
  process.send?.(figures);
});
process.once("disconnect", () => process.exit());
process.send?.(addresses);
