import { once } from "node:events";
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { Server as SocketIoServer } from "socket.io";
import { io } from "socket.io-client";
import { createServer as createVite } from "vite";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { DEFAULTS } from "../../src/options.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { RawPeer } from "../helpers/raw-peer.js";
import { Bench } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

const NOT_FOUND = /^HTTP\/1.1 404 Not Found\r\n/;

/** An HTTP server of the application. Its end waits for all its sockets, upgraded ones included. */
async function applicationServer(listener: RequestListener = (_request, response) => response.end("mine")): Promise<HttpServer> {
  const http = createHttpServer(listener);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    http.closeAllConnections();
    return new Promise((resolve) => http.close(() => resolve()));
  });
  return http;
}

const portOf = (http: HttpServer) => (http.address() as AddressInfo).port;

const openSockets = (http: HttpServer) => new Promise<number>((resolve) => http.getConnections((_error, count) => resolve(count)));

const upgrade = (path: string, more = "Sec-WebSocket-Version: 13\r\n") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

interface Asked {
  readonly socket: Socket;
  /** Everything that it received, once the server has ended its half. */
  readonly whole: Promise<string>;
}

/**
 * A socket that asks for an upgrade and never ends its own half. The server may not have accepted it yet: until then the server has no open
 * socket either.
 */
async function ask(http: HttpServer, path: string, more?: string): Promise<Asked> {
  const socket = connect({ port: portOf(http), host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  let answer = "";
  socket.on("error", () => {});
  socket.on("data", (data) => (answer += String(data)));
  const whole = new Promise<string>((resolve) => socket.once("end", () => resolve(answer)).once("close", () => resolve(answer)));
  await once(socket, "connect");
  socket.write(upgrade(path, more));
  return { socket, whole };
}

/** A WebSocket server of the `ws` package that shares an HTTP server as its documentation says. */
function wsBeside(http: HttpServer, path: string): WebSocketServer {
  const other = new WebSocketServer({ noServer: true });
  http.on("upgrade", (request, socket, head) => {
    if (request.url === path) other.handleUpgrade(request, socket, head, (webSocket) => webSocket.send(`hello from ${path}`));
  });
  return other;
}

async function firstMessage(url: string): Promise<string> {
  const socket = new WebSocket(url);
  onTestFinished(() => socket.terminate());
  const [data] = await once(socket, "message");
  return String(data);
}

describe("an upgrade for a path that no server has", () => {
  it("on an HTTP server of the application is answered with 404, and all of 500 sockets are destroyed", async () => {
    const http = await applicationServer();
    await bench.server().listen({ ws: { server: http, path: "/rpc" } });
    const answers = await Promise.all(Array.from({ length: 500 }, async () => (await ask(http, "/other")).whole));
    expect(answers.filter((answer) => NOT_FOUND.test(answer)).length).toBe(500);
    await expect.poll(() => openSockets(http), { timeout: 10_000 }).toBe(0);
  });

  it("is answered once where several servers of ours share the HTTP server", async () => {
    const http = await applicationServer();
    await bench.server().listen({ ws: { server: http, path: "/a" } });
    await bench.server().listen({ ws: { server: http, path: "/b" } });
    const answer = await (await ask(http, "/c")).whole;
    expect(answer).toMatch(NOT_FOUND);
    expect(answer.match(/HTTP/g)).toHaveLength(1);
    await expect.poll(() => openSockets(http)).toBe(0);
  });

  it("is answered although the peer does not read what it was sent before", async () => {
    const clock = new VirtualClock();
    const http = await applicationServer((_request, response) => response.end(Buffer.alloc(16 * 1024 * 1024)));
    await bench.server({ clock }).listen({ ws: { server: http, path: "/rpc" } });
    for (const [path, version] of [
      ["/other", "13"],
      ["/rpc", "7"],
    ] as const) {
      const socket = connect(portOf(http), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${upgrade(path, `Sec-WebSocket-Version: ${version}\r\n`)}`);
      await expect.poll(() => openSockets(http)).toBe(1);
      await expect
        .poll(async () => {
          await clock.advance(DEFAULTS.closeTimeoutMs);
          return openSockets(http);
        })
        .toBe(0);
      socket.destroy();
    }
  });

  it("that is no WebSocket of a version spoken here is answered with 400 and the version, and destroyed", async () => {
    const http = await applicationServer();
    await bench.server().listen({ ws: { server: http, path: "/rpc" } });
    const { whole } = await ask(http, "/rpc", "Sec-WebSocket-Version: 7\r\n");
    expect(await whole).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*Sec-WebSocket-Version: 13\r\n/s);
    await expect.poll(() => openSockets(http)).toBe(0);
  });
});

describe("servers that share an HTTP server", () => {
  it("take the upgrades of their own paths, and one of them may take all others", async () => {
    const http = await applicationServer();
    const [a, b, rest] = [bench.server(), bench.server(), bench.server()];
    await rest.listen({ ws: { server: http } });
    await a.listen({ ws: { server: http, path: "/a" } });
    await b.listen({ ws: { server: http, path: "/b" } });
    for (const path of ["/a", "/b?x=1", "/c"]) await (await RawPeer.connect(`ws://127.0.0.1:${portOf(http)}${path}`)).greet();
    expect([a, b, rest].map(({ stats }) => stats.sessions)).toEqual([1, 1, 1]);
    await b.close();
    await (await RawPeer.connect(`ws://127.0.0.1:${portOf(http)}/b`)).greet();
    expect(rest.stats.sessions).toBe(2);
  });

  it("may not have the same path, which would answer each upgrade twice", async () => {
    const http = await applicationServer();
    const server = bench.server();
    await server.listen({ ws: { server: http, path: "/rpc" } });
    await expect(bench.server().listen({ ws: { server: http, path: "/rpc" } })).rejects.toMatchObject({
      code: "invalid-option",
      message: "another framewire server on this HTTP server has the path /rpc",
    });
    await server.close();
    await bench.server().listen({ ws: { server: http, path: "/rpc" } });
  });

  it("need a path beside other libraries, which could not tell their upgrades from ours otherwise", async () => {
    const http = await applicationServer();
    wsBeside(http, "/other");
    await expect(bench.server().listen({ ws: { server: http } })).rejects.toMatchObject({
      code: "invalid-option",
      message: expect.stringContaining("ws.path"),
    });
    await bench.server().listen({ ws: { server: http, path: "/rpc" } });
  });
});

describe("beside a WebSocket server of the ws package", () => {
  it.each(["before", "after"])("that listens %s ours, both take their own paths", async (order) => {
    const http = await applicationServer();
    const server = bench.server();
    if (order === "before") wsBeside(http, "/other");
    await server.listen({ ws: { server: http, path: "/rpc" } });
    if (order === "after") wsBeside(http, "/other");
    const url = `ws://127.0.0.1:${portOf(http)}`;
    expect(await firstMessage(`${url}/other`)).toBe("hello from /other");
    await (await RawPeer.connect(`${url}/rpc`)).greet();
    expect(server.stats.sessions).toBe(1);
  });

  it("an upgrade that neither takes gets its 404 when the handshake's time is over", async () => {
    const clock = new VirtualClock();
    const http = await applicationServer();
    await bench.server({ clock }).listen({ ws: { server: http, path: "/rpc" } });
    const seen = once(http, "upgrade");
    wsBeside(http, "/other");
    const { whole } = await ask(http, "/nobody");
    await seen;
    await clock.advance(DEFAULTS.handshakeTimeoutMs - 1);
    expect(await openSockets(http)).toBe(1);
    await clock.advance(1);
    expect(await whole).toMatch(NOT_FOUND);
    await expect.poll(() => openSockets(http)).toBe(0);
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });

  it("one that the other has answered, or reads as a proxy does, is left alone", async () => {
    const clock = new VirtualClock();
    const http = await applicationServer();
    await bench.server({ clock }).listen({ ws: { server: http, path: "/rpc" } });
    const taken: Socket[] = [];
    http.on("upgrade", (request, socket) => {
      taken.push(socket as Socket);
      if (request.url === "/answered") socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      else socket.resume().on("data", () => {});
    });
    for (const path of ["/answered", "/proxied"]) await ask(http, path);
    await expect.poll(() => taken.length).toBe(2);
    await clock.advance(DEFAULTS.handshakeTimeoutMs);
    expect(taken.map(({ destroyed, writableEnded }) => destroyed || writableEnded)).toEqual([false, false]);
    for (const socket of taken) socket.destroy();
  });

  it("made with { server, path }, that one refuses all other paths, ours included, and every socket ends", async () => {
    const http = await applicationServer();
    const server = bench.server();
    await server.listen({ ws: { server: http, path: "/rpc" } });
    const other = new WebSocketServer({ server: http, path: "/other" });
    other.on("connection", (webSocket) => webSocket.send("hello"));
    const url = `ws://127.0.0.1:${portOf(http)}`;
    expect(await firstMessage(`${url}/other`)).toBe("hello");
    for (const client of other.clients) client.terminate();
    for (const path of ["/nobody", "/rpc"]) await (await ask(http, path)).whole;
    await expect.poll(() => openSockets(http)).toBe(0);
    expect(server.stats.sockets).toBe(0);
  });

  it("a peer that resets its socket before anybody has taken it ends nothing but that", async () => {
    const http = await applicationServer();
    const server = bench.server();
    await server.listen({ ws: { server: http, path: "/rpc" } });
    wsBeside(http, "/other");
    const { socket } = await ask(http, "/nobody");
    await once(http, "upgrade");
    socket.resetAndDestroy();
    await expect.poll(() => openSockets(http)).toBe(0);
    await (await RawPeer.connect(`ws://127.0.0.1:${portOf(http)}/rpc`)).greet();
  });
});

it("socket.io and framewire share an HTTP server", async () => {
  const http = await applicationServer();
  const other = new SocketIoServer(http, { transports: ["websocket"] });
  const server = bench.server();
  await server.listen({ ws: { server: http, path: "/rpc" } });
  other.on("connection", (socket) => socket.emit("greeting", "hello"));
  const peer = await RawPeer.connect(`ws://127.0.0.1:${portOf(http)}/rpc`);
  await peer.greet();
  const client = io(`http://127.0.0.1:${portOf(http)}`, { transports: ["websocket"] });
  expect(await new Promise((resolve) => client.on("greeting", resolve))).toBe("hello");
  client.close();
  await server.close();
  await peer.ended;
  await other.close();
});

it("Vite's hot reload and framewire share an HTTP server", async () => {
  const http = await applicationServer();
  const vite = await createVite({
    configFile: false,
    root: tmpdir(),
    logLevel: "silent",
    appType: "custom",
    optimizeDeps: { noDiscovery: true },
    server: { middlewareMode: true, hmr: { server: http }, watch: null },
  });
  onTestFinished(() => vite.close());
  await bench.server().listen({ ws: { server: http, path: "/rpc" } });
  const url = `ws://127.0.0.1:${portOf(http)}`;
  const page = new WebSocket(`${url}/?token=${vite.config.webSocketToken}`, "vite-hmr");
  onTestFinished(() => page.terminate());
  const [data] = await once(page, "message");
  expect(JSON.parse(String(data))).toEqual({ type: "connected" });
  await (await RawPeer.connect(`${url}/rpc`)).greet();
});
