import { afterEach, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import type { Welcome } from "../../src/gen/framewire/v1/session.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { FakeServer } from "../helpers/fake-server.js";

const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

/** After which silence, in milliseconds, a client pings a server that says nothing, and how long it then lives. */
async function silence(options: ClientOptions, welcome: Partial<Welcome>): Promise<{ ping: number; end: number }> {
  const clock = new VirtualClock();
  const server = new FakeServer((link) => link.welcome(welcome));
  const client = createClient("ws://fake", { connector: server.connector, clock, random: () => 0.5, ...options });
  clients.push(client);
  void client.connect();
  await clock.runUntilIdle();
  const link = server.last;
  const from = clock.now();
  const at = { ping: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };
  for (let i = 0; i < 1000 && at.end === Number.POSITIVE_INFINITY; i++) {
    await clock.advance(100);
    if (link.received.some(({ kind }) => kind === FrameKind.FRAME_KIND_PING)) at.ping = Math.min(at.ping, clock.now() - from);
    if (link.closed !== undefined) at.end = clock.now() - from;
  }
  return at;
}

it("a client asks for a sign of life by the server's interval, if that is shorter than its own", async () => {
  const { ping, end } = await silence({}, { heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 1000 });
  expect(ping).toBe(1500);
  expect(end).toBeLessThanOrEqual(2600);
});

it("a client asks by its own interval, if the server's is longer or there is none", async () => {
  const options = { heartbeatIntervalMs: 2000, heartbeatTimeoutMs: 1000 };
  for (const heartbeatIntervalMs of [0, 60_000]) {
    const { ping, end } = await silence(options, { heartbeatIntervalMs, heartbeatTimeoutMs: 60_000 });
    expect(ping).toBe(2500);
    expect(end).toBeLessThanOrEqual(3600);
  }
});

it("a client whose interval is 0 never asks, and silence does not end its connection", async () => {
  const { ping, end } = await silence({ heartbeatIntervalMs: 0 }, { heartbeatIntervalMs: 1000, heartbeatTimeoutMs: 1000 });
  expect({ ping, end }).toEqual({ ping: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY });
});
