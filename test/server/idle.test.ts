import { afterEach, describe, expect, it } from "vitest";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { DEFAULTS } from "../../src/options.js";
import type { ServerConnection } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { heldBytes } from "../helpers/memory.js";
import { helloFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

/** How many pongs have come from now on. */
function countPongs(connection: ServerConnection): () => number {
  let count = 0;
  connection.on("frame", ({ direction, kind }) => {
    if (direction === "in" && kind === FrameKind.FRAME_KIND_PONG) count++;
  });
  return () => count;
}

describe("a connection that was idle for an interval, and let go of what it did not need", () => {
  it.each(JOINTS)("works as before over $name, in both directions", async (joint) => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const notes: string[] = [];
    server.implement(TestServiceDefinition, testService(notes));
    const client = await bench.client(await joint.open(server));
    client.implement(TestServiceDefinition, testService());
    const pongs = countPongs(server.connections[0]!);
    const service = client.service(TestServiceDefinition);
    for (let round = 1; round <= 4; round++) {
      expect((await service.echo({ text: `call ${round}` })).text).toBe(`call ${round}`);
      await service.note({ text: `note ${round}` });
      await expect.poll(() => notes).toHaveLength(round);
      const back = server.connections[0]!.service(TestServiceDefinition);
      expect((await back.echo({ text: `back ${round}` })).text).toBe(`back ${round}`);
      await clock.advance(DEFAULTS.heartbeatIntervalMs);
      await expect.poll(pongs).toBe(round);
    }
    expect(server.connections).toHaveLength(1);
  });

  it("keeps the deadline of a call that is still running", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    server.implement(TestServiceDefinition, testService());
    const client = await bench.client(await JOINTS[0]!.open(server));
    const call = client
      .service(TestServiceDefinition)
      .echo({ text: "x", delayMs: 3_600_000 }, { timeoutMs: 4 * DEFAULTS.heartbeatIntervalMs });
    const outcome = call.catch((error) => error.code);
    await expect.poll(() => server.connections[0]?.inFlight).toBe(1);
    const pongs = countPongs(server.connections[0]!);
    // The client asks for the acknowledgement of its request by a clock of its own: what comes at the start of an interval moves the ping behind its end.
    const LITTLE_MS = 100;
    for (let round = 1; round < 4; round++) {
      await clock.advance(DEFAULTS.heartbeatIntervalMs + LITTLE_MS);
      await expect.poll(pongs).toBe(round);
    }
    await clock.advance(DEFAULTS.heartbeatIntervalMs);
    expect(await outcome).toBe("deadline-exceeded");
  });
});

/** Bytes that each of many of them holds. */
async function bytesOfEach(make: () => unknown, ready: () => boolean = () => true): Promise<number> {
  const COUNT = 3000;
  const all: unknown[] = new Array(COUNT).fill(undefined);
  for (let i = 0; i < 100; i++) make();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = heldBytes();
  for (let i = 0; i < COUNT; i++) all[i] = make();
  await expect.poll(ready, { timeout: 60_000 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return (heldBytes() - before) / all.length;
}

it("an idle connection costs the server less than 3 KB beside its socket", async () => {
  // On a busy machine it takes longer than the usual deadline until the last of the crowd is let in.
  const waits = { handshakeTimeoutMs: 600_000 };
  const server = bench.server({ maxConnections: 100_000, maxConnectionsPerAddress: 100_000, maxHandshakes: 100_000, ...waits });
  const receiver = { onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: () => {} };
  const pair = () => {
    const [near, far] = memoryPair({ protocol: 2, messages: true });
    near.open(receiver);
    return [near, far] as const;
  };
  const sockets = await bytesOfEach(pair);
  const connect = () => {
    const [near, far] = pair();
    server.accept(far);
    near.write(helloFrame());
    return near;
  };
  // A crowd is let in bit by bit.
  const connected = await bytesOfEach(connect, () => server.stats.handshakes === 0);
  expect(server.stats.sessions).toBeGreaterThan(3000);
  expect(connected - sockets).toBeLessThan(3000);
}, 120_000);
