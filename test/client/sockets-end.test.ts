import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { type ClientOptions, createClient } from "../../src/client/index.js";
import { DEFAULTS } from "../../src/options.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { tlsFixture } from "../helpers/transports.js";

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
const TRUST = { ca: tlsFixture("ca.pem") };

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  return (server.address() as AddressInfo).port;
}

/** A server that accepts, never ends its half, and resolves with its first socket once that has brought bytes. */
async function silent(): Promise<{ port: number; accepted: Promise<Socket> }> {
  const server = createTcpServer({ allowHalfOpen: true });
  const accepted = new Promise<Socket>((resolve) => {
    server.on("connection", (socket) => socket.on("error", () => {}).once("data", () => resolve(socket)));
  });
  return { port: await listening(server), accepted };
}

function client(url: string, options: ClientOptions) {
  const made = createClient(url, { logger: false, reconnect: false, ...options });
  onTestFinished(() => made.close());
  return made;
}

/** Resolves once the other end of `socket` is gone as a whole, not only its sending half. */
async function gone(socket: Socket): Promise<void> {
  await expect
    .poll(() => {
      socket.write("x");
      return socket.destroyed;
    })
    .toBe(true);
}

describe.each(["tcp", "tls", "ws", "wss"])("a client's socket over %s to a server that never answers", (scheme) => {
  it.each(["the deadline of its attempt", "close()"])("ends with %s", async (ending) => {
    const clock = new VirtualClock();
    const { port, accepted } = await silent();
    const made = client(`${scheme}://127.0.0.1:${port}`, { clock, tls: TRUST });
    const failed = expect(made.connect()).rejects.toMatchObject({
      code: ending === "close()" ? "connection-closed" : "handshake-timeout",
    });
    const socket = await accepted;
    if (ending === "close()") void made.close();
    else await clock.advance(DEFAULTS.handshakeTimeoutMs);
    await failed;
    await clock.advance(DEFAULTS.closeTimeoutMs);
    await gone(socket);
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });
});

it("a client's WebSocket to a server that upgrades and never speaks ends with the deadline of its attempt", async () => {
  const clock = new VirtualClock();
  const wss = new WebSocketServer({ noServer: true, handleProtocols: () => "framewire.v2" });
  const http = createHttpServer();
  const upgraded = new Promise<Socket>((resolve) => {
    http.on("upgrade", (request, socket, head) => {
      // Nothing reads it, and so nothing answers the close.
      wss.handleUpgrade(request, socket, head, (webSocket) => webSocket.pause());
      resolve(socket as Socket);
    });
  });
  const made = client(`ws://127.0.0.1:${await listening(http)}`, { clock });
  const failed = expect(made.connect()).rejects.toMatchObject({ code: "handshake-timeout" });
  const socket = await upgraded;
  socket.on("error", () => {});
  await clock.advance(DEFAULTS.handshakeTimeoutMs);
  await failed;
  await clock.advance(DEFAULTS.closeTimeoutMs);
  await gone(socket);
});

it("a client's socket ends when its upgrade is answered by a plain response, although that never ends", async () => {
  const http = createHttpServer((_request, response) => void response.writeHead(200).write("hello"));
  const port = await listening(http);
  await expect(client(`ws://127.0.0.1:${port}`, {}).connect()).rejects.toMatchObject({ code: "connect-failed" });
  await expect.poll(() => new Promise((resolve) => http.getConnections((_error, count) => resolve(count)))).toBe(0);
});

it.each(["tls", "wss"])("a client's socket over %s ends when it does not trust the server", async (scheme) => {
  const server = createTlsServer(TLS);
  server.on("tlsClientError", () => {});
  const port = await listening(server);
  await expect(client(`${scheme}://127.0.0.1:${port}`, {}).connect()).rejects.toMatchObject({ code: "connect-failed" });
  await expect.poll(() => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)))).toBe(0);
});
