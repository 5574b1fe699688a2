/** The server that is attacked: everything at its defaults. Tells its parent its addresses, and its figures when asked. */
import { createServer } from "framewire/server";
import { BYTES, ECHO, LARGE, TAKE } from "./attack-wire.mjs";

const server = createServer();
server.handle(ECHO, BYTES, (message) => message);
server.handle(TAKE, BYTES, () => {});
server.handle(LARGE, BYTES, () => new Uint8Array(512 * 1024));
const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });

let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 50);

process.on("message", (/** @type {"start" | "figures" | "collect"} */ what) => {
  if (what === "start") peak = 0;
  if (what === "collect") globalThis.gc?.();
  process.send?.({ rss: process.memoryUsage.rss(), peak, stats: server.stats });
});
process.send?.({ ws: ws?.url, tcp: tcp?.url });
