/**
 * The attackers of one attack: `peers-process.js NAME WS-URL TCP-URL`. Begins when it is told to, and tells its figures when the last of
 * them is gone. It runs at the lowest priority: attackers bring machines of their own, and take no time of the server's. With the name
 * `BUSY` they flood a server of their own, as much as any attack: so much of what good clients notice is the machine's doing.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { constants, setPriority } from "node:os";
import { ATTACKS, Attackers, flood } from "../../helpers/attacks.js";
import { BUSY, type PeerFigures } from "./figures.js";

const [, , name = "", ws = "", tcp = ""] = process.argv;

/** All have to be gone by then. */
const LIMIT_MS = 30_000;

setPriority(constants.priority.PRIORITY_LOW);
process.once("disconnect", () => process.exit());
// Started long before, so that starting it is no part of the attack.
await new Promise((resolve) => process.once("message", resolve));
const attackers = name === BUSY ? await floodNobody() : await attackServer();
const { opened, closed, bytes, codes } = attackers;
const lives = attackers.lives.sort((a, b) => a - b);
const figures: PeerFigures = { opened, closed, bytes, codes, median: lives[lives.length >> 1] ?? 0, longest: lives.at(-1) ?? 0 };
process.send?.(figures, () => process.exit());

async function attackServer(): Promise<Attackers> {
  const attackers = new Attackers(ws, tcp);
  const attack = ATTACKS.find((each) => each.name === name);
  await attack?.run(attackers, attack.sockets);
  await attackers.gone(LIMIT_MS);
  return attackers;
}

async function floodNobody(): Promise<Attackers> {
  const sink = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    setTimeout(() => socket.destroy(), 500);
  }).listen(0, "127.0.0.1");
  await once(sink, "listening");
  const url = `tcp://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const attackers = new Attackers(url, url);
  for (let i = 0; i < 40; i++) flood(attackers.open("tcp"), Buffer.alloc(65_536));
  await attackers.gone(LIMIT_MS);
  sink.close();
  return attackers;
}
