/**
 * The attackers of one attack, or of many at once: `peers-process.js ADDRESSES ORDER`, both in JSON. Begins when it is told to, and tells its
 * figures when the last of them is gone. With `repeat` it attacks over and over until it is told to stop.
 */
import { constants, setPriority } from "node:os";
import type { Attack } from "../../helpers/attacks/attack.js";
import type { Addresses } from "../../helpers/attacks/attacked-server.js";
import { Attackers, FULL_PACES } from "../../helpers/attacks/attackers.js";
import { ATTACKS } from "../../helpers/attacks/index.js";
import type { AttackOrder, PeerFigures } from "./figures.js";

const addresses = JSON.parse(process.argv[2] as string) as Addresses;
const { names, lastingMs, share, repeat } = JSON.parse(process.argv[3] as string) as AttackOrder;

/** All have to be gone by then. */
const LIMIT_MS = 30_000;

setPriority(constants.priority.PRIORITY_LOW);
process.once("disconnect", () => process.exit());
// Started long before, so that starting it is no part of the attack.
await new Promise((resolve) => process.once("message", resolve));
const before = process.cpuUsage();
let stopped = false;

function figuresOf(total: PeerFigures | undefined, { opened, closed, left, codes, wrong, lives }: Attackers): PeerFigures {
  const sorted = lives.sort((a, b) => a - b);
  const { user, system } = process.cpuUsage(before);
  const all: Record<number, number> = { ...total?.codes };
  for (const [code, count] of Object.entries(codes)) all[Number(code)] = (all[Number(code)] ?? 0) + count;
  return {
    runs: (total?.runs ?? 0) + 1,
    opened: (total?.opened ?? 0) + opened,
    closed: (total?.closed ?? 0) + closed,
    left: (total?.left ?? 0) + left,
    codes: all,
    wrong: [...new Set([...(total?.wrong ?? []), ...wrong])],
    median: sorted[sorted.length >> 1] ?? 0,
    longest: sorted.at(-1) ?? 0,
    cpu: (user + system) / 1000,
  };
}

/** Attacks, once or over and over; `told` gets the figures after each time. */
async function attack({ run, sockets, few }: Attack, told: (figures: PeerFigures) => void): Promise<void> {
  let total: PeerFigures | undefined;
  do {
    const attackers = new Attackers(addresses, { ...FULL_PACES, lastingMs });
    await run(attackers, Math.max(few, Math.round(sockets * share)));
    await attackers.gone(LIMIT_MS);
    total = figuresOf(total, attackers);
    told(total);
  } while (repeat && !stopped);
}

const figures: Record<string, PeerFigures> = {};
process.once("message", () => {
  stopped = true;
});
const attacks = ATTACKS.filter(({ name }) => names.includes(name));
await Promise.all(attacks.map((each) => attack(each, (told) => void (figures[each.name] = told))));
process.send?.(figures, () => process.exit());
