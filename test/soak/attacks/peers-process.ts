/**
 * The attackers of one attack: `peers-process.js NAME WS-URL TCP-URL`. Begins when it is told to, and tells its figures when the last of
 * them is gone.
 */
import { ATTACKS, Attackers, FULL_PACES } from "../../helpers/attacks.js";
import { LEAST_MS, type PeerFigures } from "./figures.js";

const [, , name, ws = "", tcp = ""] = process.argv;

/** All have to be gone by then. */
const LIMIT_MS = 30_000;

process.once("disconnect", () => process.exit());
// Started long before, so that starting it is no part of the attack.
await new Promise((resolve) => process.once("message", resolve));
const before = process.cpuUsage();
const attackers = new Attackers(ws, tcp, { ...FULL_PACES, lastingMs: LEAST_MS });
const attack = ATTACKS.find((each) => each.name === name);
await attack?.run(attackers, attack.sockets);
await attackers.gone(LIMIT_MS);
const { opened, closed, codes } = attackers;
const lives = attackers.lives.sort((a, b) => a - b);
const { user, system } = process.cpuUsage(before);
const figures: PeerFigures = {
  opened,
  closed,
  codes,
  median: lives[lives.length >> 1] ?? 0,
  longest: lives.at(-1) ?? 0,
  cpu: (user + system) / 1000,
};
process.send?.(figures, () => process.exit());
