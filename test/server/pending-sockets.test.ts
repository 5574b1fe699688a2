import { EventEmitter, once } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import { type Server as TlsServer, connect as tlsConnect } from "node:tls";
import { afterEach, expect, it } from "vitest";
import WebSocket from "ws";
import { DEFAULTS } from "../../src/options.js";
import { HandshakeQueue } from "../../src/server/handshake-queue.js";
import { PendingSockets } from "../../src/server/pending-sockets.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
const TRUST = { ca: tlsFixture("ca.pem"), servername: "localhost" };

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 443;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;

  constructor(remoteAddress?: string, remotePort?: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  /** As a socket: its `close` event comes later. */
  destroy(): void {
    this.destroyed = true;
    queueMicrotask(() => this.emit("close"));
  }
}

function rig() {
  const clock = new VirtualClock();
  const queue = new HandshakeQueue(10);
  const limits: string[] = [];
  const pending = new PendingSockets({ handshakes: queue, clock, handshakeTimeoutMs: 1000, limited: (code) => void limits.push(code) });
  const server = new EventEmitter();
  return { clock, queue, limits, pending, server };
}

it("sockets whose peers are gone before they are looked at take no place among the handshakes", () => {
  const { clock, queue, pending, server } = rig();
  pending.watch(server as Server);
  const gone = [new FakeSocket(), new FakeSocket()];
  const there = new FakeSocket("127.0.0.1", 1);
  for (const socket of [...gone, there]) server.emit("connection", socket);
  expect(gone.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  expect(queue.size).toBe(1);
  expect(pending.completed(there as unknown as Socket)).toBe(0);
  expect([queue.size, clock.pendingTimers]).toEqual([0, 0]);
});

it("a socket with the addresses of one that the kernel has dropped takes over neither its deadline nor its place", async () => {
  const { clock, queue, limits, pending, server } = rig();
  pending.watchTls(server as TlsServer);
  const dropped = new FakeSocket("127.0.0.1", 1);
  server.emit("connection", dropped);
  await clock.advance(600);
  const raw = new FakeSocket("127.0.0.1", 1);
  server.emit("connection", raw);
  expect([dropped.destroyed, queue.size]).toEqual([true, 1]);
  const secure = new FakeSocket("127.0.0.1", 1);
  server.emit("secureConnection", secure);
  await clock.advance(600);
  expect(pending.completed(secure as unknown as Socket)).toBe(600);
  await clock.advance(1000);
  expect([raw.destroyed, secure.destroyed, queue.size, clock.pendingTimers, limits.length]).toEqual([false, false, 0, 0, 0]);
});

it("a TLS socket whose peer has no address any more is destroyed, and its place is free by the deadline", async () => {
  const { clock, queue, pending, server } = rig();
  pending.watchTls(server as TlsServer);
  server.emit("connection", new FakeSocket("127.0.0.1", 1));
  const nameless = new FakeSocket();
  server.emit("secureConnection", nameless);
  expect(nameless.destroyed).toBe(true);
  await clock.advance(1000);
  expect([queue.size, clock.pendingTimers]).toEqual([0, 0]);
});

it("closing destroys what is pending, also sockets that tell nothing of their end", () => {
  const { clock, queue, pending, server } = rig();
  pending.watch(server as Server);
  const sockets = [1, 2, 3].map((port) => Object.assign(new FakeSocket("127.0.0.1", port), { destroy: () => {} }));
  for (const socket of sockets) server.emit("connection", socket);
  pending.close();
  expect([queue.size, clock.pendingTimers]).toEqual([0, 0]);
});

/** A client's socket from a port of its choice, 0 for any. The address makes it bind in a way that lets others have the port too. */
async function from(localPort: number, port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.1", localPort });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

it("one client port on two listeners: each socket keeps its own deadline, and the open one is left alone", async () => {
  const clock = new VirtualClock();
  const server = bench.server({ clock, heartbeatIntervalMs: 0 });
  const { ws, tcp } = await server.listen({ ws: { tls: TLS }, tcp: { tls: TLS } });
  const open: WebSocket[] = [];
  const silent: Socket[] = [];
  const raws: Socket[] = [];
  for (let i = 0; i < 6; i++) {
    // Every other pair meets in the other order.
    const first = i % 2 === 0 ? tcp!.port : ws!.port;
    const knock = async (port: number, localPort: number): Promise<number> => {
      const socket = await from(localPort, port);
      if (port === tcp!.port) silent.push(socket);
      else raws.push(socket);
      return socket.localPort as number;
    };
    const localPort = await knock(first, 0);
    await knock(first === tcp!.port ? ws!.port : tcp!.port, localPort);
  }
  await expect.poll(() => server.stats.handshakes).toBe(12);
  for (const raw of raws) {
    const socket = new WebSocket(`wss://localhost:${ws!.port}`, ["framewire.v1"], {
      perMessageDeflate: false,
      createConnection: () => tlsConnect({ socket: raw, ...TRUST }),
    });
    await once(socket, "open");
    open.push(socket);
  }
  expect(server.stats.handshakes).toBe(6);
  const closed = Promise.all(silent.map((socket) => once(socket, "close")));
  await clock.advance(DEFAULTS.handshakeTimeoutMs);
  await closed;
  expect(server.stats).toMatchObject({ handshakes: 0, sockets: 6, limits: { "handshake-timeout": 6 } });
  expect(open.map(({ readyState }) => readyState)).toEqual(Array(6).fill(WebSocket.OPEN));
});

it("one client port on two listeners does not keep the end of the server waiting", async () => {
  const server = bench.server();
  const { ws, tcp } = await server.listen({ ws: { tls: TLS }, tcp: { tls: TLS } });
  const first = await from(0, tcp!.port);
  const second = await from(first.localPort as number, ws!.port);
  await expect.poll(() => server.stats.handshakes).toBe(2);
  await Promise.all([once(first, "close"), once(second, "close"), server.close()]);
  expect(server.stats.handshakes).toBe(0);
});
