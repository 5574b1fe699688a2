import { once } from "node:events";
import { createServer as createHttpServer, get, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { DEFAULTS } from "../../src/options.js";
import type { ListenOptions, Server } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { EchoRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { testService } from "../helpers/test-service.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };

const closed = (socket: Socket) => new Promise((resolve) => socket.once("close", resolve));

/** Sends `text` and gives what comes back until the end. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let answer = "";
  socket.on("data", (data) => (answer += String(data)));
  socket.write(text);
  await closed(socket);
  return answer;
}

const upgrade = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

describe("the WebSocket port", () => {
  it("answers plain HTTP with 426 and closes", async () => {
    const { ws } = await bench.server().listen({ ws: {} });
    const response = await new Promise<IncomingMessage>((resolve) => get(`http://127.0.0.1:${ws!.port}/`, resolve));
    expect(response.statusCode).toBe(426);
    expect(response.headers).toMatchObject({ upgrade: "websocket", connection: "close" });
  });

  it("serves one path if it is told to, and answers others with 404", async () => {
    const server = bench.server();
    const { ws } = await server.listen({ ws: { path: "/rpc" } });
    await (await RawPeer.connect(`${ws!.url}/rpc?token=1`)).greet();
    expect(await exchange(ws!.port, upgrade("/other"))).toMatch(/^HTTP\/1.1 404 /);
    expect(await exchange(ws!.port, upgrade("/rpc/more"))).toMatch(/^HTTP\/1.1 404 /);
  });

  it("survives a request target that is no URL", async () => {
    const server = bench.server();
    const { ws } = await server.listen({ ws: { path: "/rpc" } });
    for (const target of ["//", "///", "http://", "*", "//[", "%"]) {
      expect(await exchange(ws!.port, upgrade(target))).toMatch(/^HTTP\/1.1 40[04] /);
    }
    await (await RawPeer.connect(`${ws!.url}/rpc`)).greet();
  });

  it("can be that of a server of the application, which goes on when this one closes", async () => {
    const http = createHttpServer((_request, response) => response.end("mine"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const server = bench.server();
    const { ws } = await server.listen({ ws: { server: http, path: "/rpc" } });
    expect(ws!.port).toBe((http.address() as AddressInfo).port);
    const peer = await RawPeer.connect(`${ws!.url}/rpc`);
    await peer.greet();
    await server.close();
    await peer.ended;
    const body = await new Promise<string>((resolve) =>
      get(`http://127.0.0.1:${ws!.port}/`, (r) => r.on("data", (d) => resolve(String(d)))),
    );
    expect(body).toBe("mine");
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
});

describe("listening", () => {
  it("opens all addresses or none, and says which port is taken", async () => {
    const taken = createTcpServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const server = bench.server();
    await expect(server.listen({ ws: {}, tcp: { port } })).rejects.toMatchObject({
      code: "connect-failed",
      message: `cannot listen on tcp://127.0.0.1:${port}: the port is taken`,
    });
    await expect(server.listen({ tcp: { port } })).rejects.toMatchObject({ code: "connect-failed" });
    await new Promise((resolve) => taken.close(resolve));
    expect((await server.listen({ tcp: { port } })).tcp!.port).toBe(port);
  });

  it("is refused at once when the server is closed, whatever it is asked for", async () => {
    const server = bench.server();
    const { tcp } = await server.listen({ tcp: {} });
    const draining = server.close({ drainMs: 1000 });
    for (const options of [{ tcp: { port: tcp!.port } }, { ws: {} }, { ws: { tls: TLS } }, { ws: { server: createHttpServer() } }]) {
      const refused = await Promise.race([server.listen(options).catch((error) => error), new Promise((resolve) => setImmediate(resolve))]);
      expect(refused).toMatchObject({ code: "connection-closed", message: expect.stringContaining("the server is closed") });
    }
    await draining;
    await expect(server.listen({})).rejects.toMatchObject({ code: "connection-closed" });
  });

  it("leaves nothing open when the server is closed meanwhile, and close waits for that", async () => {
    const open = () => process.getActiveResourcesInfo().filter((name) => name === "TCPServerWrap").length;
    await expect.poll(open).toBe(0);
    const server = bench.server();
    const http = createHttpServer();
    const outcomes = Promise.allSettled([server.listen({ ws: { server: http }, tcp: {} }), server.listen({ ws: {}, tcp: { tls: TLS } })]);
    await server.close();
    // Node gives the handle of a closed server up a moment later.
    await expect.poll(open).toBe(0);
    expect(http.listenerCount("upgrade")).toBe(0);
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "connection-closed" } });
  });

  it("that fails takes no address from another call under way", async () => {
    const taken = createTcpServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    const server = bench.server();
    const [failed, other] = await Promise.allSettled([server.listen({ ws: {}, tcp: { port } }), server.listen({ ws: {}, tcp: {} })]);
    expect(failed.status).toBe("rejected");
    const { ws, tcp } = (other as PromiseFulfilledResult<Awaited<ReturnType<Server["listen"]>>>).value;
    for (const { url } of [ws!, tcp!]) await bench.client((options) => createClient(url, options));
    await new Promise((resolve) => taken.close(resolve));
  });

  it("with certificates that Node refuses says so", async () => {
    const server = bench.server();
    for (const options of [{ ws: { tls: { key: "no key", cert: "none" } } }, { tcp: { tls: { key: "no key", cert: "none" } } }]) {
      await expect(server.listen(options)).rejects.toMatchObject({ code: "invalid-option" });
    }
  });

  it("serves version 1 and 2 on one port of each transport", async () => {
    const server = bench.server();
    server.implement(TestServiceDefinition, testService());
    const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
    for (const url of [ws!.url, tcp!.url]) {
      for (const version of [1, 2] as const) {
        const client = await bench.client((options) => createClient(url, options), { version });
        expect(client.version).toBe(version);
        expect((await client.service(TestServiceDefinition).echo({ text: "x" })).text).toBe("x");
      }
    }
  });

  it("takes frames of version 2 on a link of version 1, without a seed, and answers with version 1", async () => {
    const server = bench.server();
    server.implement(TestServiceDefinition, testService());
    const { ws, tcp } = await server.listen({ ws: {}, tcp: {} });
    for (const url of [ws!.url, tcp!.url]) {
      const peer = await RawPeer.connect(url, url.startsWith("ws") ? { protocols: ["framewire.v1"] } : {});
      const payload = EchoRequest.encode(EchoRequest.fromPartial({ text: "x" })).finish();
      peer.send(encodeFrame({ cmd: 257, payload }));
      peer.send(encodeFrame({ version: 2, cmd: 257, payload, sequence: 9, ack: 9, callId: 2, kind: 1 }));
      await expect.poll(() => peer.frames.length).toBe(2);
      expect(peer.frames.map(({ version, cmd, callId }) => ({ version, cmd, callId }))).toEqual([
        { version: 1, cmd: 257, callId: undefined },
        { version: 1, cmd: 257, callId: undefined },
      ]);
      peer.destroy();
    }
  });
});

describe("sockets that never get as far as a frame", () => {
  const UNFINISHED = [
    { name: "an upgrade that never ends", listen: { ws: {} }, sent: "GET / HTTP/1.1\r\nHost: x\r\n" },
    { name: "an upgrade that never begins", listen: { ws: {} }, sent: "" },
    { name: "a TLS handshake that never begins", listen: { tcp: { tls: TLS } }, sent: "" },
    { name: "a TLS handshake of the WebSocket port that stops", listen: { ws: { tls: TLS } }, sent: "\x16\x03\x01\x02\x00" },
  ];

  async function openSocket(server: Server, listen: ListenOptions, sent: string): Promise<Socket> {
    const { ws, tcp } = await server.listen(listen);
    const socket = connect((ws ?? tcp)!.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.write(sent);
    await expect.poll(() => server.stats.handshakes).toBe(1);
    return socket;
  }

  it.each(UNFINISHED)("$name: dropped by the handshake's deadline", async ({ listen, sent }) => {
    const clock = new VirtualClock();
    const server = bench.server({ clock });
    const socket = await openSocket(server, listen, sent);
    await clock.advance(DEFAULTS.handshakeTimeoutMs - 1);
    expect(server.stats.handshakes).toBe(1);
    await clock.advance(1);
    await closed(socket);
    expect(server.stats.handshakes).toBe(0);
    expect(server.stats.limits["handshake-timeout"]).toBe(1);
  });

  it.each(UNFINISHED)("$name: does not hold up the end of the server", async ({ listen, sent }) => {
    const server = bench.server();
    const socket = await openSocket(server, listen, sent);
    await Promise.all([closed(socket), server.close()]);
  });

  it.each([
    ["a plain request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426],
    ["a request whose body never ends", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx", 426],
    [
      "a request that wants to be asked for its body",
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
      100,
    ],
    ["what is no HTTP", "framewire\r\n\r\n", 400],
    ["an upgrade to something else", "GET /rpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 400],
    ["an upgrade for a path that is not served", upgrade("/other"), 404],
    ["a tunnel", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", undefined],
  ] as const)("%s, from a peer that never ends its half: destroyed without waiting for the deadline", async (_name, sent, status) => {
    const server = bench.server({ clock: new VirtualClock() });
    const { ws } = await server.listen({ ws: { path: "/rpc" } });
    const socket = connect({ port: ws!.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    let answer = "";
    socket.on("data", (data) => (answer += String(data)));
    const ended = once(socket, "end");
    socket.write(sent);
    await ended;
    await expect.poll(() => server.stats.handshakes).toBe(0);
    if (status !== undefined) expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    socket.destroy();
  });

  it("have one deadline from TCP's accept to the hello", async () => {
    const clock = new VirtualClock();
    const server = bench.server({ clock });
    const { ws } = await server.listen({ ws: {} });
    const socket = connect(ws!.port, "127.0.0.1");
    socket.on("error", () => {});
    await expect.poll(() => server.stats.handshakes).toBe(1);
    await clock.advance(DEFAULTS.handshakeTimeoutMs - 1000);
    socket.write(upgrade("/"));
    await expect.poll(() => server.stats.accepted).toBe(1);
    await clock.advance(1000);
    await expect.poll(() => server.stats.limits["handshake-timeout"]).toBe(1);
    socket.destroy();
  });
});
