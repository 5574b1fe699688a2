import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server } from "../../src/server/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const SLOW = 0x0300;

/** A handler that waits until the test lets it go on. */
function gate(server: Server): { open(): void; aborted: unknown; calls: number } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const state = { open: () => open(), aborted: undefined as unknown, calls: 0 };
  server.handle(SLOW, NoteRequest, async ({ text }, { signal }) => {
    state.calls++;
    signal.addEventListener("abort", () => (state.aborted = signal.reason));
    await opened;
    return { text };
  });
  return state;
}

async function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error) => (error instanceof FramewireError ? error.code : error));
}

for (const joint of JOINTS) {
  describe(`a drain over ${joint.name}`, () => {
    async function join(clock: HandClock) {
      const server = bench.server({ clock });
      server.implement(TestServiceDefinition, testService());
      const held = gate(server);
      const client = await bench.client(await joint.open(server));
      return { server, held, client };
    }

    it("lets calls in flight finish, and refuses new ones", async () => {
      const clock = new HandClock();
      const { server, held, client } = await join(clock);
      const goaways: unknown[] = [];
      client.on("goaway", ({ reason, reconnectSpreadMs }) => goaways.push([reason, reconnectSpreadMs]));
      const running = client.request(SLOW, NoteRequest, { text: "in flight" });
      await expect.poll(() => held.calls).toBe(1);
      const closed = server.close({ drainMs: 10_000, reconnectSpreadMs: 4000 });
      await expect.poll(() => goaways).toEqual([["the server is closing", 4000]]);
      expect(await outcome(client.service(TestServiceDefinition).echo({ text: "too late" }))).toBe("unavailable");
      await clock.advance(1000);
      expect(server.connections).toHaveLength(1);
      held.open();
      expect(await running).toEqual({ text: "in flight" });
      await closed;
      expect(held.aborted).toBeUndefined();
      expect(clock.now()).toBe(1000);
    });

    it("ends with its time, whatever is in flight", async () => {
      const clock = new HandClock();
      const { server, held, client } = await join(clock);
      const running = outcome(client.request(SLOW, NoteRequest, { text: "for ever" }));
      await expect.poll(() => held.calls).toBe(1);
      let over = false;
      const closed = server.close({ drainMs: 10_000 }).then(() => (over = true));
      await clock.advance(9_999);
      expect(over).toBe(false);
      await clock.advance(1);
      await closed;
      expect(held.aborted).toMatchObject({ code: "cancelled" });
      await client.close();
      expect(await running).toBe("unavailable");
    });
  });
}

describe("the end of a server", () => {
  it("closes an idle connection soon, not at the end of the drain; one that works keeps its own", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const held = gate(server);
    const make = await JOINTS[3]!.open(server);
    const [idle, busy] = [await bench.client(make), await bench.client(make)];
    const running = busy.request(SLOW, NoteRequest, { text: "x" });
    await expect.poll(() => held.calls).toBe(1);
    const closed = server.close({ drainMs: 60_000 });
    await clock.advance(200);
    await expect.poll(() => idle.state).toBe("disconnected");
    expect(busy.state).toBe("connected");
    held.open();
    await Promise.all([running, closed]);
  });

  it("turns newcomers away, wherever in the handshake they are", async () => {
    const server = bench.server();
    const { tcp } = await server.listen({ tcp: {} });
    const peer = await RawPeer.connect(tcp!.url);
    await expect.poll(() => server.stats.handshakes).toBe(1);
    await server.close({ drainMs: 1000 });
    expect(await peer.ended).toEqual({ code: 4509, reason: "the server is closing" });
    await expect(RawPeer.connect(tcp!.url)).rejects.toThrow();
  });

  it("does not wait for sessions whose client is away, nor for those whose client goes away meanwhile", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const held = gate(server);
    const { tcp } = await server.listen({ tcp: {} });
    const away = await RawPeer.connect(tcp!.url);
    await away.greet();
    away.destroy();
    await expect.poll(() => server.connections[0]?.attached).toBe(false);
    const leaving = await bench.client(await JOINTS[3]!.open(server), { reconnect: false });
    void outcome(leaving.request(SLOW, NoteRequest, { text: "x" }));
    await expect.poll(() => held.calls).toBe(1);
    const closed = server.close({ drainMs: 60_000 });
    expect(server.connections).toHaveLength(1);
    await leaving.close();
    await clock.advance(200);
    await closed;
    expect(server.connections).toHaveLength(0);
  });

  it("a second close without a drain cuts the first one's short", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const held = gate(server);
    const client = await bench.client(await JOINTS[0]!.open(server));
    const running = outcome(client.request(SLOW, NoteRequest, { text: "x" }));
    await expect.poll(() => held.calls).toBe(1);
    const first = server.close({ drainMs: 60_000 });
    await server.close();
    await clock.advance(200);
    await first;
    expect(clock.now()).toBe(200);
    await client.close();
    expect(await running).toBe("unavailable");
  });

  it("leaves no handle of the event loop behind", async () => {
    const resources = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|HTTP|Timeout/.test(name));
    const before = resources().length;
    const tls = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
    const server = bench.server();
    server.implement(TestServiceDefinition, testService());
    await server.listen({ ws: {}, tcp: {} });
    await server.listen({ ws: { tls }, tcp: { tls } });
    const clients: Client[] = [];
    for (const joint of JOINTS) clients.push(await bench.client(await joint.open(server)));
    for (const client of clients) await client.service(TestServiceDefinition).echo({ text: "x" });
    expect(resources().length).toBeGreaterThan(before + JOINTS.length);
    await server.close({ drainMs: 50 });
    for (const client of clients) await client.close();
    // The poll itself has a timer.
    await expect.poll(() => resources().length).toBeLessThanOrEqual(before + 1);
  });
});
