import { afterAll, beforeAll, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { wrongEnds } from "../helpers/attacks/attack.js";
import { type AttackedServer, BYTES, ECHO, startAttackedServer } from "../helpers/attacks/attacked-server.js";
import { Attackers } from "../helpers/attacks/attackers.js";
import { ATTACKS } from "../helpers/attacks/index.js";

/** The soak of the same name does this at full size and with the default limits; here they are short, for the test to be. */
let attacked: AttackedServer;
let good: readonly Client[];

beforeAll(async () => {
  const limits = {
    handshakeTimeoutMs: 2000,
    frameTimeoutMs: 2500,
    closeTimeoutMs: 200,
    maxHandshakes: 40,
    maxFramesPerSecond: 5_000,
    maxSessions: 100,
  };
  attacked = await startAttackedServer(limits, { thinkMs: 300, slowMs: 2000 });
  const { ws, tcp } = attacked.addresses;
  good = [ws, tcp].map((url) => createClient(url, { reconnect: false, credentials: "good" }));
  for (const client of good) await client.connect();
});
afterAll(async () => {
  for (const client of good) await client.close();
  await attacked.close();
});

/** What was counted since `before`. */
function since<C extends string>(before: Readonly<Record<C, number>>, now: Readonly<Record<C, number>>): Partial<Record<C, number>> {
  const counted = Object.entries<number>(now).map(([code, count]) => [code, count - before[code as C]] as const);
  return Object.fromEntries(counted.filter(([, count]) => count > 0)) as Partial<Record<C, number>>;
}

const named = ATTACKS.map((attack) => [attack.name, attack] as const);

it.each(named)("%s: ended by its limits, while good clients are served", async (_name, attack) => {
  const { server, addresses } = attacked;
  const before = server.stats;
  const attackers = new Attackers(addresses, { dripMs: 100, deafMs: 400 });
  let over = false;
  let answered = 0;
  const calling = good.map(async (client) => {
    while (!over) {
      expect(await client.request(ECHO, BYTES, Uint8Array.of(7), { timeoutMs: 5_000 })).toEqual(Uint8Array.of(7));
      answered++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  await attack.run(attackers, attack.few);
  await attackers.gone(10_000);
  over = true;
  await Promise.all(calling);
  expect(answered).toBeGreaterThan(0);
  // A socket that is not read does not hear of its end before something is written to it.
  await expect.poll(() => server.stats.sockets, { timeout: 30_000 }).toBe(good.length);
  const { limits, disconnects, handshakes } = server.stats;
  const { opened, closed, left, codes, wrong } = attackers;
  const seen = { limits: since(before.limits, limits), disconnects: since(before.disconnects, disconnects) };
  expect(wrongEnds(attack, { opened, closed, left, codes, wrong: [...wrong], ...seen })).toEqual([]);
  expect(handshakes).toBe(0);
});
