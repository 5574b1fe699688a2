import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { FramewireError } from "../../src/errors.js";
import { DEFAULTS } from "../../src/options.js";
import type { AuthenticationRequest, Server, ServerOptions } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { helloFrame, RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };

const PORTS = [
  { name: "TCP", listen: { tcp: { protocol: "v1" } } },
  { name: "TLS", listen: { tcp: { protocol: "v1", tls: TLS } } },
  { name: "WebSocket", listen: { ws: { protocol: "v1" } } },
  { name: "secure WebSocket", listen: { ws: { protocol: "v1", tls: TLS } } },
] as const;

async function open(listen: Parameters<Server["listen"]>[0], options: ServerOptions = {}): Promise<{ server: Server; url: string }> {
  const server = bench.server(options);
  server.implement(TestServiceDefinition, testService());
  const { ws, tcp } = await server.listen(listen);
  return { server, url: (ws ?? tcp)!.url };
}

const said = (peer: RawPeer) =>
  peer.frames.map(({ version, cmd, payload }) => [version, cmd, EchoRequest.decode(payload as Uint8Array).text]);

describe.each(PORTS)('a port of $name with protocol: "v1"', ({ listen }) => {
  it("serves a peer that only listens, for as long as it stays", async () => {
    const clock = new VirtualClock();
    const { server, url } = await open(listen, { clock });
    const peer = await RawPeer.connect(url);
    await expect.poll(() => server.connections.length).toBe(1);
    expect(server.stats.handshakes).toBe(0);
    // A WebSocket has pings below our frames, which its peer answers; on TCP and TLS silence is never a reason to close.
    await clock.advance(url.startsWith("ws") ? DEFAULTS.heartbeatIntervalMs : 3_600_000);
    server.broadcast(TestServiceDefinition.methods.note, { text: "news" });
    await clock.advance(1);
    await expect.poll(() => said(peer)).toEqual([[1, 261, "news"]]);
    expect(server.connections.map(({ version }) => version)).toEqual([1]);
    peer.destroy();
    await expect.poll(() => server.connections.length).toBe(0);
  });

  it("closes with version-unsupported at a hello", async () => {
    const { server, url } = await open(listen);
    const peer = await RawPeer.connect(url);
    peer.send(helloFrame());
    expect(await peer.ended).toEqual({ code: 4403, reason: "this connection speaks version 1" });
    await expect.poll(() => server.connections.length).toBe(0);
    expect(server.stats.disconnects["version-unsupported"]).toBe(1);
  });

  it("takes no longer first frame than maxPayload", async () => {
    const { url } = await open(listen, { maxPayload: 1024 });
    const peer = await RawPeer.connect(url);
    peer.send(encodeFrame({ cmd: 257, payload: new Uint8Array(1025) }));
    expect((await peer.ended).code).toBe(url.startsWith("ws") ? 4401 : 1006);
  });

  it("serves our clients of version 1, and tells those that speak version 2 only", async () => {
    const { url } = await open(listen);
    const tls = { ca: tlsFixture("ca.pem") };
    const client = await bench.client((options) => createClient(url, options), { version: 1, tls });
    expect((await client.service(TestServiceDefinition).echo({ text: "x" })).text).toBe("x");
    if (url.startsWith("tcp")) {
      const newer = bench.client((options) => createClient(url, options));
      await expect(newer).rejects.toMatchObject({ code: "version-unsupported" });
    } else {
      const offers = url.startsWith("ws") ? "framewire.v2" : "framewire/2";
      expect(await (await RawPeer.connect(url, { protocols: [offers] })).ended).toMatchObject({ code: 4403 });
    }
  });
});

it("a port of TCP without it closes a silent socket with handshake-timeout", async () => {
  const clock = new VirtualClock();
  const { server, url } = await open({ tcp: {} }, { clock });
  const peer = await RawPeer.connect(url);
  await expect.poll(() => server.stats.handshakes).toBe(1);
  await clock.advance(DEFAULTS.handshakeTimeoutMs);
  expect(await peer.ended).toMatchObject({ code: 4500 });
});

it("authenticate is asked at once, and may refuse", async () => {
  const asked: AuthenticationRequest[] = [];
  const { server, url } = await open(
    { tcp: { protocol: "v1" } },
    {
      authenticate: (request) => {
        asked.push(request);
        if (asked.length > 1) throw new FramewireError("unauthenticated", "one is enough");
        return { identity: "listener" };
      },
    },
  );
  const peer = await RawPeer.connect(url);
  await expect.poll(() => server.connections.map(({ identity }) => identity)).toEqual(["listener"]);
  expect(asked[0]).toMatchObject({ version: 1, upgrade: undefined, transport: { kind: "tcp", remoteAddress: "127.0.0.1" } });
  expect(await (await RawPeer.connect(url)).ended).toMatchObject({ code: 4416, reason: "one is enough" });
  peer.destroy();
});

it("an authenticate hook still has to decide within the handshake's time", async () => {
  const clock = new VirtualClock();
  const { server, url } = await open({ tcp: { protocol: "v1" } }, { clock, authenticate: () => new Promise(() => {}) });
  const peer = await RawPeer.connect(url);
  await expect.poll(() => server.stats.handshakes).toBe(1);
  await clock.advance(DEFAULTS.handshakeTimeoutMs);
  expect(await peer.ended).toMatchObject({ code: 4500 });
  expect(server.stats.handshakes).toBe(0);
});

it("TLS still has to be spoken within the handshake's time", async () => {
  const clock = new VirtualClock();
  const { server, url } = await open({ tcp: { protocol: "v1", tls: TLS } }, { clock });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  await expect.poll(() => server.stats.handshakes).toBe(1);
  const closed = once(socket, "close");
  await clock.advance(DEFAULTS.handshakeTimeoutMs);
  await closed;
  expect(server.stats).toMatchObject({ handshakes: 0, limits: { "handshake-timeout": 1 } });
});

it("silent sockets count against maxConnectionsPerAddress until they go", async () => {
  const { server, url } = await open({ tcp: { protocol: "v1" } }, { maxConnectionsPerAddress: 2 });
  const peers = [await RawPeer.connect(url), await RawPeer.connect(url)];
  await expect.poll(() => server.connections.length).toBe(2);
  expect(await (await RawPeer.connect(url)).ended).toMatchObject({ code: 4507 });
  peers[0]!.destroy();
  await expect.poll(() => server.connections.length).toBe(1);
  const next = await RawPeer.connect(url);
  await expect.poll(() => server.connections.length).toBe(2);
  for (const peer of [...peers, next]) peer.destroy();
});

it("a crowd is let in one after the other, and what it sends meanwhile is kept", async () => {
  const { server, url } = await open({ tcp: { protocol: "v1" } });
  const payload = EchoRequest.encode(EchoRequest.fromPartial({ text: "x" })).finish();
  const peers = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const peer = await RawPeer.connect(url);
      peer.send(encodeFrame({ cmd: 257, payload }));
      return peer;
    }),
  );
  await expect.poll(() => peers.filter(({ frames }) => frames.length === 1).length, { timeout: 10_000 }).toBe(40);
  expect(server.connections.length).toBe(40);
  for (const peer of peers) peer.destroy();
});

it("listen rejects it together with minVersion 2, and any other value, before it opens a port", async () => {
  const server = bench.server({ minVersion: 2 });
  await expect(server.listen({ ws: {}, tcp: { protocol: "v1" } })).rejects.toMatchObject({
    code: "invalid-option",
    message: 'tcp.protocol is "v1", but minVersion is 2',
  });
  await expect(bench.server().listen({ ws: { protocol: "v2" as "v1" } })).rejects.toMatchObject({
    code: "invalid-option",
    message: 'ws.protocol is v2; it must be "v1" or left out',
  });
});
