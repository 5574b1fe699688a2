import { afterAll, beforeAll, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { createServer, type LimitCode } from "../../src/server/index.js";
import { ATTACKS, Attackers, BYTES, ECHO, LARGE, LARGE_BYTES, TAKE, wrongEnds } from "../helpers/attacks.js";

/** The soak of the same name does this at full size and with the default limits; here they are short, for the test to be. */
const server = createServer({
  handshakeTimeoutMs: 500,
  frameTimeoutMs: 700,
  closeTimeoutMs: 200,
  maxHandshakes: 40,
  maxFramesPerSecond: 50_000,
});
server.handle(ECHO, BYTES, (message) => message);
server.handle(TAKE, BYTES, () => undefined);
server.handle(LARGE, BYTES, () => new Uint8Array(LARGE_BYTES));
let urls: readonly [ws: string, tcp: string];
let good: readonly Client[];

beforeAll(async () => {
  const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
  urls = [ws!.url, tcp!.url];
  good = urls.map((url) => createClient(url, { reconnect: false }));
  for (const client of good) await client.connect();
});
afterAll(async () => {
  for (const client of good) await client.close();
  await server.close();
});

const named = ATTACKS.map((attack) => [attack.name, attack] as const);

it.each(named)("%s: closed by the limit, with its code and its counter, while good clients are served", async (_name, attack) => {
  const counted = server.stats.limits;
  const attackers = new Attackers(...urls, { dripMs: 100, deafMs: 400 });
  await attack.run(attackers, attack.few);
  const gone = attackers.gone(10_000);
  let answered = 0;
  const calling = good.map(async (client) => {
    while (attackers.closed < attackers.opened) {
      expect(await client.request(ECHO, BYTES, Uint8Array.of(7), { timeoutMs: 5_000 })).toEqual(Uint8Array.of(7));
      answered++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  await gone;
  await Promise.all(calling);
  expect(answered).toBeGreaterThan(0);
  await expect.poll(() => server.stats.sockets).toBe(good.length);
  const { opened, closed, codes } = attackers;
  const limits = Object.fromEntries(
    Object.entries(server.stats.limits).map(([code, count]) => [code, count - counted[code as LimitCode]] as const),
  );
  expect(opened).toBe(attack.few);
  expect(wrongEnds(attack, { opened, closed, codes, limits })).toEqual([]);
  expect(server.stats.handshakes).toBe(0);
});
