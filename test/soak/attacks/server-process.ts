/** The server that is attacked: everything at its defaults. Tells its parent its addresses, and its figures when asked. */
import { createServer } from "../../../src/server/index.js";
import { BYTES, ECHO, LARGE, LARGE_BYTES, TAKE } from "../../helpers/attacks.js";
import type { Addresses, Question, ServerFigures } from "./figures.js";

const server = createServer();
server.handle(ECHO, BYTES, (message) => message);
server.handle(TAKE, BYTES, () => undefined);
server.handle(LARGE, BYTES, () => new Uint8Array(LARGE_BYTES));
const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });

let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 50);

process.on("message", (question: Question) => {
  if (question === "start") peak = 0;
  if (question === "collect") globalThis.gc?.();
  const figures: ServerFigures = { rss: process.memoryUsage.rss(), peak, stats: server.stats };
  process.send?.(figures);
});
process.once("disconnect", () => process.exit());
const addresses: Addresses = { ws: ws?.url ?? "", tcp: tcp?.url ?? "" };
process.send?.(addresses);
