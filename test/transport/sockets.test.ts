import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type WebSocket from "ws";
import { WebSocketServer } from "ws";
import { ConformanceListener } from "../../src/cli/conformance/listener.js";
import { createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Transport } from "../../src/link/transport.js";
import { DEFAULTS } from "../../src/options.js";
import type { ServerConnection } from "../../src/server/index.js";
import { createChaosProxy } from "../../src/testing/index.js";
import { connectTcp } from "../../src/transport/tcp.js";
import { NodeWebSocketTransport } from "../../src/transport/websocket-node.js";
import { connectNodeWebSocket } from "../../src/transport/websocket-node-connect.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { HandClock } from "../helpers/clocks.js";
import { RawPeer, seededFrame } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(async () => {
  vi.restoreAllMocks();
  await bench.end();
});

describe("TCP keepalive", () => {
  it.each(JOINTS.filter(({ name }) => !name.startsWith("memory")))("is set by both ends of $name", async (joint) => {
    const set = vi.spyOn(Socket.prototype, "setKeepAlive");
    const server = bench.server();
    await bench.client(await joint.open(server));
    const calls = set.mock.calls.filter(([enable, delayMs]) => enable === true && delayMs === 30_000);
    expect(calls.length).toBeGreaterThanOrEqual(2);
  });
});

/** A WebSocket with a transport on each end, neither of them open. */
async function webSocketPair() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const connection = once(server, "connection") as Promise<[WebSocket, IncomingMessage]>;
  const url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const options = { maxMessage: 1_000_000, tls: undefined, headers: undefined };
  const client = await connectNodeWebSocket(url, [2], options, new AbortController().signal);
  const [socket, request] = await connection;
  return { client, server: new NodeWebSocketTransport(socket, request.socket) };
}

describe.each([
  ["server", "client"],
  ["client", "server"],
] as const)("what a WebSocket's %s writes", (from, to) => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])("arrives whole, and is not changed in its memory: %d bytes", async (length) => {
    const pair = await webSocketPair();
    const expected = new Uint8Array(length + 20).map((_, index) => index * 7);
    const memory = expected.slice();
    const received: number[] = [];
    const closed = new Promise((resolve) => {
      const onData = (bytes: Uint8Array) => received.push(Buffer.compare(bytes, expected.subarray(10, 10 + length)));
      pair[to].open({ onData, onAlive: () => {}, onDrain: () => {}, onClose: resolve });
    });
    pair[from].open({ onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: () => {} });
    pair[from].write(memory.subarray(10, 10 + length));
    pair[from].write(memory.subarray(10, 10 + length));
    pair[from].close(1000, "done");
    expect(await closed).toBe(1000);
    expect(received).toEqual([0, 0]);
    expect(Buffer.compare(memory, expected)).toBe(0);
  });

  it("drains once the peer reads again", async () => {
    const pair = await webSocketPair();
    let read = 0;
    let drained = 0;
    pair[to].open({ onData: ({ length }) => void (read += length), onAlive: () => {}, onDrain: () => {}, onClose: () => {} });
    pair[to].pause();
    pair[from].open({ onData: () => {}, onAlive: () => {}, onDrain: () => drained++, onClose: () => {} });
    const message = new Uint8Array(500_000);
    let written = 0;
    for (; pair[from].bufferedBytes === 0 || written < 100; written++) pair[from].write(message);
    await new Promise((resolve) => setImmediate(resolve));
    expect(drained).toBe(0);
    pair[to].resume();
    await expect.poll(() => read, { timeout: 10_000 }).toBe(written * message.length);
    await expect.poll(() => [drained > 0, pair[from].bufferedBytes]).toEqual([true, 0]);
    pair[from].destroy();
  });
});

describe("what waits for room", () => {
  it.each(JOINTS)("leaves over $name when the network has taken what was before it, however little that was", async (joint) => {
    const server = bench.server({ highWaterMark: 100 });
    const client = await bench.client(await joint.open(server));
    const prices: bigint[] = [];
    client.implement(TestServiceDefinition, { price: ({ price }) => void prices.push(price) });
    const [connection] = server.connections as [ServerConnection];
    // Nothing acknowledges these: no answer of the client makes the server go on.
    for (let price = 1n; price <= 20n; price++) void connection.send(TestServiceDefinition.methods.price, { price });
    await expect.poll(() => prices.at(-1)).toBe(20n);
    expect(prices.length).toBeLessThan(20);
  });

  it("is told over TCP that less has drained than Node tells of", async () => {
    const sockets: Socket[] = [];
    const listener = createServer((socket) => sockets.push(socket.pause()));
    onTestFinished(() => void listener.close());
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const url = new URL(`tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`);
    const transport = await connectTcp(url, [2], undefined, new AbortController().signal);
    let drained = 0;
    transport.open({ onData: () => {}, onAlive: () => {}, onDrain: () => drained++, onClose: () => {} });
    await expect.poll(() => sockets).toHaveLength(1);
    while (transport.bufferedBytes === 0) {
      transport.write(new Uint8Array(1000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([transport.bufferedBytes < 16 * 1024, drained]).toEqual([true, 0]);
    sockets[0]!.resume();
    await expect.poll(() => drained).toBe(1);
    expect(transport.bufferedBytes).toBe(0);
    transport.destroy();
  });
});

describe("a half-open socket", () => {
  it.each(["ws", "tcp"] as const)("over %s is found and closed, be its peer never heard of again", async (kind) => {
    const clock = new HandClock();
    const server = bench.server({ clock, resumeWindowMs: 0 });
    const addresses = await server.listen({ [kind]: {} });
    const peer = await RawPeer.connect(addresses[kind]!.url);
    await peer.greet();
    peer.pause();
    await clock.advance(DEFAULTS.heartbeatIntervalMs + DEFAULTS.heartbeatTimeoutMs);
    expect(server.stats.sockets).toBe(0);
    // The socket itself goes when the peer has had its time to close.
    await clock.advance(DEFAULTS.closeTimeoutMs);
    let over = false;
    const closed = server.close().then(() => (over = true));
    await expect.poll(() => over).toBe(true);
    await closed;
    peer.destroy();
  });

  it("whose peer has ended its direction closes the other one", async () => {
    const server = bench.server();
    const { tcp } = await server.listen({ tcp: {} });
    const socket = connect({ port: tcp!.port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    socket.resume();
    socket.end();
    await once(socket, "end");
    await expect.poll(() => server.stats.sockets).toBe(0);
    socket.destroy();
  });
});

describe("the last word of a close", () => {
  it.each(["ws", "tcp"] as const)("over %s reaches a peer that was still sending", async (kind) => {
    const server = bench.server({ maxFramesPerSecond: 1000 });
    const addresses = await server.listen({ [kind]: {} });
    for (let i = 0; i < 10; i++) {
      const peer = await RawPeer.connect(addresses[kind]!.url);
      await peer.greet();
      // What the server leaves unread would make the kernel reset the connection, and the peer lose the reason.
      for (let k = 0; k < 200; k++) peer.send(seededFrame({ cmd: 0x7777, payload: new Uint8Array(1000) }));
      expect((await peer.ended).code).toBe(4506);
    }
  });

  it.each(["ws", "tcp"] as const)("over %s is not waited for while a peer goes on sending for ever", async (kind) => {
    const server = bench.server({ maxFramesPerSecond: 1, resumeWindowMs: 0 });
    const addresses = await server.listen({ [kind]: {} });
    const peer = await RawPeer.connect(addresses[kind]!.url);
    await peer.greet();
    const started = performance.now();
    const chunk = Buffer.concat(Array.from({ length: 1000 }, () => seededFrame({ cmd: 0x7777, payload: new Uint8Array(200) })));
    let ended = false;
    void peer.ended.then(() => (ended = true));
    while (!ended) {
      peer.send(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(performance.now() - started).toBeLessThan(DEFAULTS.closeTimeoutMs);
  });
});

it.each(["tcp", "ws"] as const)(
  "a large frame that takes longer than the deadline of a frame arrives over %s all the same",
  async (kind) => {
    const frameTimeoutMs = 400;
    const server = bench.server({ frameTimeoutMs });
    server.implement(TestServiceDefinition, testService());
    const addresses = await server.listen({ [kind]: {} });
    const line = { bytesPerSecond: 500_000 };
    const proxy = await createChaosProxy({ target: addresses[kind]!.url, faults: { up: line, down: {} } });
    const client = await bench.client((options) => createClient(proxy.url, options));
    const started = performance.now();
    const data = new Uint8Array(500_000);
    expect((await client.service(TestServiceDefinition).echo({ text: "large", data })).data).toHaveLength(data.length);
    expect(performance.now() - started).toBeGreaterThan(2 * frameTimeoutMs);
    expect([server.stats.limits["frame-timeout"], proxy.stats.links]).toEqual([0, 1]);
    await proxy.close();
  },
);

describe("WebSocket", () => {
  it("a large message on a slow line is life all the way, and each its own frame for the deadline", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock, frameTimeoutMs: 600_000 });
    const got: number[] = [];
    server.implement(TestServiceDefinition, {
      ...testService(),
      note: ({ text }) => void got.push(text.length),
    });
    const { ws } = await server.listen({ ws: {} });
    const peer = await RawPeer.connect(ws!.url);
    await peer.greet();
    const text = Buffer.alloc(5000, "x");
    const message = seededFrame({ cmd: 261, payload: Buffer.concat([Uint8Array.of(0x0a, 0x88, 0x27), text]) });
    const header = Uint8Array.of(0x82, 0x80 | 126, message.length >> 8, message.length & 0xff, 0, 0, 0, 0);
    const bytes = Buffer.concat([header, message]);
    for (let at = 0; at < bytes.length; at += 500) {
      peer.sendRaw(bytes.subarray(at, at + 500));
      await new Promise((resolve) => setTimeout(resolve, 10));
      await clock.advance(DEFAULTS.heartbeatIntervalMs - 1);
    }
    await expect.poll(() => got).toEqual([5000]);
    expect(server.connections).toHaveLength(1);
  });

  it("a text message is a violation of the protocol", async () => {
    const server = bench.server();
    const { ws } = await server.listen({ ws: {} });
    const peer = await RawPeer.connect(ws!.url);
    await peer.greet();
    (peer.raw as WebSocket).send("text");
    expect((await peer.ended).code).toBe(4402);
    expect(server.stats.disconnects["protocol-violation"]).toBe(1);
  });

  it("bytes that are no WebSocket frame are one too", async () => {
    const server = bench.server();
    const { ws } = await server.listen({ ws: {} });
    const peer = await RawPeer.connect(ws!.url);
    await peer.greet();
    peer.sendRaw(Uint8Array.of(0xff, 0xff));
    expect((await peer.ended).code).toBe(1002);
    // The peer may hear of the end before the server's own socket has closed.
    await expect.poll(() => server.stats.disconnects["protocol-violation"]).toBe(1);
  });

  it("a version 1 peer is pinged by WebSocket's own ping", async () => {
    const clock = new HandClock();
    const server = bench.server({ clock });
    const { ws } = await server.listen({ ws: {} });
    const peer = await RawPeer.connect(ws!.url, { protocols: ["framewire.v1"] });
    let pings = 0;
    (peer.raw as WebSocket).on("ping", () => pings++);
    await expect.poll(() => server.connections.length).toBe(1);
    for (let i = 1; i < 4; i++) {
      await clock.advance(DEFAULTS.heartbeatIntervalMs);
      await expect.poll(() => pings).toBe(i);
      // Time for the pong.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(server.connections).toHaveLength(1);
    peer.pause();
    await clock.advance(DEFAULTS.heartbeatIntervalMs + DEFAULTS.heartbeatTimeoutMs);
    expect(server.connections).toHaveLength(0);
    peer.destroy();
  });

  it.each([0, 401, 1004, 1006, 1015, 2999, 5000])("a close code that no close frame may carry, %d, drops the socket", async (code) => {
    const listener = new ConformanceListener("ws", 1024);
    const { port } = await listener.listen("127.0.0.1", 0);
    onTestFinished(() => listener.close());
    const peer = await Promise.all([RawPeer.connect(`ws://127.0.0.1:${port}`), listener.next(2, 5000)]);
    const transport = peer[1] as Transport;
    const closed = new Promise((resolve) => transport.open({ onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: resolve }));
    transport.close(code, "never on the wire");
    expect((await peer[0].ended).code).toBe(1006);
    expect(await closed).toBe(1006);
  });

  it("a server of the future that closes in the middle of a message is noticed by the client", async () => {
    const wss = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(wss, "listening");
    wss.on("connection", (socket) => {
      (socket as unknown as { _socket: Socket })._socket.write(Uint8Array.of(0x82, 126, 4));
      socket.terminate();
    });
    const { port } = wss.address() as { port: number };
    const client = createClient(`ws://127.0.0.1:${port}`, { reconnect: false });
    await expect(client.connect()).rejects.toBeInstanceOf(FramewireError);
    await client.close();
    await new Promise((resolve) => wss.close(resolve));
  });
});

it("a client that connects to a port which accepts and says nothing gives up in time, and leaves no socket", async () => {
  const clock = new HandClock();
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket
      .resume()
      .on("error", () => {})
      .on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  for (const scheme of ["ws", "wss", "tcp", "tls"]) {
    const client = createClient(`${scheme}://127.0.0.1:${port}`, { reconnect: false, clock });
    const connecting = client.connect().catch((error) => error.code);
    await expect.poll(() => sockets.size).toBe(1);
    await clock.advance(DEFAULTS.handshakeTimeoutMs);
    expect(await connecting).toBe("handshake-timeout");
    await client.close();
    await clock.advance(DEFAULTS.closeTimeoutMs);
    await expect.poll(() => sockets.size).toBe(0);
  }
  await new Promise((resolve) => silent.close(resolve));
});
