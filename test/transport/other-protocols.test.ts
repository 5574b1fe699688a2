/** Clients and ports that speak different protocols: each end says what it met, and whether to try again. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { encodeFrame } from "../../src/codec/index.js";
import { closeCodeOf, type FramewireError, isRetryable } from "../../src/errors.js";
import { DEFAULTS } from "../../src/options.js";
import type { ListenOptions, Server, ServerOptions } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { helloFrame } from "../helpers/raw-peer.js";
import { recordedLog } from "../helpers/recorded-log.js";
import { Bench, tlsFixture } from "../helpers/transports.js";

const bench = new Bench();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await bench.end();
});

const TLS = { key: tlsFixture("server.key"), cert: tlsFixture("server.pem") };
const TRUST = { ca: tlsFixture("ca.pem"), servername: "localhost" };

/** A message type without fields. */
const EMPTY = { encode: () => ({ finish: () => new Uint8Array(0) }), decode: () => ({}) };

const LISTENERS = {
  tcp: { tcp: {} },
  tls: { tcp: { tls: TLS } },
  ws: { ws: {} },
  wss: { ws: { tls: TLS } },
} as const satisfies Record<string, ListenOptions>;
type Scheme = keyof typeof LISTENERS;

interface Refusal {
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly kind: string;
}

/** A server on a port of `scheme`, and what it refuses there. */
async function open(scheme: Scheme, options: ServerOptions = {}): Promise<{ server: Server; port: number; refusals: Refusal[] }> {
  const server = bench.server(options);
  const { tcp, ws } = await server.listen(LISTENERS[scheme]);
  const refusals: Refusal[] = [];
  server.on(
    "refused",
    ({ error }, { kind }) => void refusals.push({ code: (error as FramewireError)?.code, message: error?.message, kind }),
  );
  return { server, port: (tcp ?? ws)!.port, refusals };
}

function client(url: string, options: ClientOptions = {}): Client {
  const made = createClient(url, { logger: false, tls: TRUST, ...options });
  ends.push(() => made.close());
  return made;
}

/** How a client with many retries ends. */
async function failure(url: string, options: ClientOptions = {}): Promise<FramewireError> {
  return client(url, { reconnect: { retries: 1000 }, ...options })
    .connect()
    .then(
      () => Promise.reject(new Error("it connected")),
      (error: FramewireError) => error,
    );
}

/** What a plain socket gets from a port for `bytes`. */
async function answer(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<Buffer> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  ends.push(() => socket.destroy());
  await once(socket, "connect");
  const received: Buffer[] = [];
  socket.on("data", (chunk) => received.push(chunk)).on("error", () => {});
  const closed = once(socket, "close");
  for (const part of parts) {
    socket.write(part);
    if (parts.length > 1) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await closed;
  return Buffer.concat(received);
}

/** A server of somebody else's. */
async function foreign(serve: (socket: Socket) => void): Promise<number> {
  return listening(
    createTcpServer((socket) => {
      ends.unshift(() => socket.destroy());
      serve(socket.on("error", () => {}));
    }),
  );
}

async function listening(server: NetServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

describe("a client on the port of another protocol gives up, and both ends say what they met", () => {
  const GRID: readonly [Scheme, Scheme, string, string][] = [
    [
      "tcp",
      "tls",
      "the peer speaks TLS, not framewire over TCP; use tls:// or wss://",
      "the peer speaks no TLS; this port speaks framewire over TLS",
    ],
    [
      "tcp",
      "ws",
      "the peer speaks HTTP, not framewire over TCP; use ws://",
      "the peer speaks frames without WebSocket; this port speaks WebSocket (ws://)",
    ],
    [
      "tcp",
      "wss",
      "the peer speaks TLS, not framewire over TCP; use tls:// or wss://",
      "the peer speaks no TLS; this port speaks WebSocket over TLS",
    ],
    ["tls", "tcp", "the peer refused TLS (alert protocol_version)", "the peer speaks TLS; this port speaks framewire over TCP (tcp://)"],
    [
      "tls",
      "ws",
      "the peer does not speak TLS on this port; without TLS, use tcp://",
      "the peer speaks TLS; this port speaks WebSocket (ws://)",
    ],
    ["tls", "wss", "the peer speaks TLS on this port, but not framewire over it", ""],
    ["ws", "tcp", "this port speaks framewire over TCP; use tcp://", "the peer speaks HTTP; this port speaks framewire over TCP (tcp://)"],
    [
      "ws",
      "tls",
      "this port speaks framewire over TLS; use tls://",
      "the peer speaks HTTP without TLS; this port speaks framewire over TLS",
    ],
    [
      "ws",
      "wss",
      "this port speaks WebSocket over TLS; use wss://",
      "the peer speaks HTTP without TLS; this port speaks WebSocket over TLS",
    ],
    ["wss", "tcp", "the peer refused TLS (alert protocol_version)", "the peer speaks TLS; this port speaks framewire over TCP (tcp://)"],
    ["wss", "tls", "this port speaks framewire over TLS; use tls://", "the peer speaks HTTP; this port speaks framewire over TLS (tls://)"],
    [
      "wss",
      "ws",
      "the peer does not speak TLS on this port; without TLS, use ws://",
      "the peer speaks TLS; this port speaks WebSocket (ws://)",
    ],
  ];

  it.each(GRID)("%s:// on a port of %s://", async (dialled, spoken, clientSays, serverSays) => {
    const { server, port, refusals } = await open(spoken);
    const error = await failure(`${dialled}://127.0.0.1:${port}`);
    expect(error).toMatchObject({ code: "protocol-mismatch", message: expect.stringContaining(clientSays) });
    if (serverSays === "") return;
    const kind = spoken.startsWith("ws") ? "ws" : spoken;
    await expect.poll(() => refusals).toEqual([{ code: "protocol-mismatch", message: expect.stringContaining(serverSays), kind }]);
    expect(server.stats).toMatchObject({ sockets: 0, disconnects: { "protocol-mismatch": 1 } });
    await expect.poll(() => server.stats.handshakes).toBe(0);
  });

  it.each([
    ["tcp", "ws"],
    ["ws", "tcp"],
  ] as const)("%s:// on a port of %s://, both set to version 1", async (dialled, spoken) => {
    const server = bench.server();
    const { tcp, ws } = await server.listen(spoken === "tcp" ? { tcp: { protocol: "v1" } } : { ws: { protocol: "v1" } });
    const made = client(`${dialled}://127.0.0.1:${(tcp ?? ws)!.port}`, { version: 1, reconnect: { retries: 1000 } });
    const over = new Promise((resolve) => made.on("state", (state, { error }) => state === "disconnected" && resolve(error)));
    made.connect().catch(() => {});
    // Version 1 has no handshake: over TCP the client is connected, and the first message shows what the port speaks.
    void made.send(257, EMPTY, {}).catch(() => {});
    expect(await over).toMatchObject({ code: "protocol-mismatch" });
  });
});

it("the server's log has such a peer as a warning, with its address", async () => {
  const logger = recordedLog();
  const { port } = await open("tcp", { logger });
  await answer(port, "GET / HTTP/1.1\r\n\r\n");
  expect(logger.lines.filter(({ level }) => level === "warn")).toMatchObject([
    {
      message: "a client was refused",
      facts: { address: "127.0.0.1", code: "protocol-mismatch", reason: expect.stringContaining("speaks HTTP") },
    },
  ]);
});

describe("a TCP port", () => {
  const REQUEST = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
  // The first record of a TLS client, as far as it matters.
  const CLIENT_HELLO = Buffer.from("16030100c8010000c40303", "hex");

  it.each([
    ["at once", [REQUEST]],
    ["byte by byte", [...REQUEST.slice(0, 10)]],
    ["of HTTP/2", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]],
  ])("answers an HTTP request, %s, with 400 and what it speaks, and with nothing else", async (_name, parts) => {
    const { port, refusals } = await open("tcp");
    const text = String(await answer(port, ...parts));
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(text).toContain("\r\nFramewire-Scheme: tcp\r\n");
    expect(text).toMatch(/\r\n\r\nThis port speaks framewire over TCP: use tcp:\/\/\n$/);
    expect(refusals).toMatchObject([{ code: "protocol-mismatch" }]);
  });

  it.each([
    ["at once", [CLIENT_HELLO]],
    ["byte by byte", Array.from(CLIENT_HELLO.subarray(0, 4), (byte) => Uint8Array.of(byte))],
  ])("answers a TLS handshake, %s, with a fatal alert and nothing else", async (_name, parts) => {
    const { port, refusals } = await open("tcp");
    expect(await answer(port, ...parts)).toEqual(Buffer.from("15030100020246", "hex"));
    expect(refusals).toMatchObject([{ code: "protocol-mismatch" }]);
  });

  it.each([
    ["zeros", new Uint8Array(16)],
    ["text that is no HTTP", "HELLO WORLD, IS THERE ANYBODY?"],
    ["TLS of no version there is", Buffer.from("160905000102030405", "hex")],
  ])("takes %s for damage, which may be another at the next attempt", async (_name, bytes) => {
    const { port, refusals } = await open("tcp");
    await answer(port, bytes);
    expect(refusals).toEqual([expect.objectContaining({ code: "resync-budget", message: "the handshake was damaged" })]);
  });

  it("takes the beginning of a request for damage when nothing follows it", async () => {
    const { port, refusals } = await open("tcp");
    const socket = connect(port, "127.0.0.1");
    ends.push(() => socket.destroy());
    socket.end("GE").resume();
    await once(socket, "close");
    expect(refusals).toMatchObject([{ code: "resync-budget" }]);
  });

  it("frees the socket of an HTTP client that never closes its own after closeTimeoutMs", async () => {
    const clock = new VirtualClock();
    const { port, server, refusals } = await open("tcp", { clock });
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    ends.push(() => socket.destroy());
    let error: NodeJS.ErrnoException | undefined;
    socket.on("error", (met) => {
      error = met;
    });
    socket.write(REQUEST);
    socket.resume();
    await expect.poll(() => refusals.length).toBe(1);
    expect(server.stats.sockets).toBe(0);
    await clock.advance(DEFAULTS.closeTimeoutMs);
    const broken = () => {
      socket.write("more");
      return error?.code;
    };
    await expect.poll(broken).toMatch(/^(ECONNRESET|EPIPE)$/);
  });
});

describe("a client of somebody else's port gives up where another protocol answers", () => {
  it("TCP: an HTTP server", async () => {
    const port = await listening(createHttpServer());
    expect(await failure(`tcp://127.0.0.1:${port}`)).toMatchObject({
      code: "protocol-mismatch",
      message: "the peer speaks HTTP, not framewire over TCP; use ws:// for this port",
    });
  });

  it("TCP: an HTTP answer, byte by byte", async () => {
    const port = await foreign(async (socket) => {
      for (const byte of "HTTP/1.0 400") {
        socket.write(byte);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    expect(await failure(`tcp://127.0.0.1:${port}`)).toMatchObject({ code: "protocol-mismatch" });
  });

  it("TLS: an HTTPS server that does not look at the protocols it is offered", async () => {
    const port = await listening(
      createTlsServer(TLS, (socket) => socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))),
    );
    expect(await failure(`tls://localhost:${port}`)).toMatchObject({
      code: "protocol-mismatch",
      message: "the peer speaks HTTP, not framewire over TLS; use wss:// for this port",
    });
  });

  it.each([
    ["a TLS alert", Buffer.from("15030100020246", "hex"), "the peer speaks TLS on this port; use wss:// or tls://"],
    ["a frame", encodeFrame({ version: 2, cmd: 0, kind: 12 }), "the peer speaks frames without WebSocket on this port; use tcp://"],
  ])("WebSocket: %s", async (_name, bytes, message) => {
    const port = await foreign((socket) => void socket.once("data", () => socket.end(bytes)));
    expect(await failure(`ws://127.0.0.1:${port}`)).toMatchObject({ code: "protocol-mismatch", message: expect.stringContaining(message) });
  });

  it.each(["tcp", "ws"])("%s: a server that hangs up may be anything: the error says so, and it is tried again", async (scheme) => {
    const port = await foreign((socket) => void socket.once("data", () => socket.destroy()));
    const error = await failure(`${scheme}://127.0.0.1:${port}`, { reconnect: { retries: 0 } });
    expect(error.code).toBe(scheme === "tcp" ? "connection-closed" : "connect-failed");
    expect(error.message).toContain(
      "the server closed the connection and had sent nothing: its port may speak another protocol, such as TLS",
    );
  });

  it.each(["wss", "tls"])("%s: a certificate that is not trusted is no other protocol, and is tried again", async (scheme) => {
    const { port } = await open(scheme as Scheme);
    const error = client(`${scheme}://localhost:${port}`, { tls: {}, reconnect: { retries: 0 } }).connect();
    await expect(error).rejects.toMatchObject({ code: "connect-failed", message: expect.stringContaining("certificate") });
  });
});

describe("what a server answers to an upgrade", () => {
  async function answered(status: number, headers: Record<string, string>, body: string): Promise<FramewireError> {
    const port = await listening(createHttpServer((_request, response) => response.writeHead(status, headers).end(body)));
    return failure(`ws://127.0.0.1:${port}`, { reconnect: { retries: 0 } });
  }

  it("is in the error, with the first line of a plain text", async () => {
    const error = await answered(
      403,
      { "Content-Type": "text/plain; charset=utf-8" },
      "\nOrigin http://localhost is not allowed\nby the proxy\n",
    );
    expect(error).toMatchObject({ code: "connect-failed", message: expect.stringContaining("answered 403 in place of the upgrade") });
    expect(error.message).toContain("(“Origin http://localhost is not allowed”)");
    expect(error.message).not.toContain("by the proxy");
  });

  it("is cut", async () => {
    const error = await answered(502, { "Content-Type": "text/plain" }, "x".repeat(100_000));
    expect(error.message).toContain(`(“${"x".repeat(160)}”)`);
  });

  it("is not shown where it is a page", async () => {
    const error = await answered(404, { "Content-Type": "text/html" }, "<html>");
    expect(error.message).toMatch(/does not speak WebSocket there; gave up after 0 retries$|does not speak WebSocket there$/);
  });

  it("is final only if a port of framewire says that it speaks something else", async () => {
    expect(await answered(400, { "Framewire-Scheme": "tcp" }, "")).toMatchObject({ code: "protocol-mismatch" });
    expect(await answered(400, { "Framewire-Scheme": "constructor" }, "")).toMatchObject({ code: "connect-failed" });
    expect(await answered(400, {}, "")).toMatchObject({ code: "connect-failed" });
  });
});

describe("a WebSocket port of our own", () => {
  it.each([
    ["a header that is too long", `GET / HTTP/1.1\r\nX: ${"x".repeat(70_000)}\r\n\r\n`, 431],
    ["something that is no HTTP", "HELLO\r\n\r\n", 400],
    ["a request without an upgrade", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426],
  ])("answers %s as HTTP does", async (_name, bytes, status) => {
    const { port, refusals } = await open("ws");
    expect(String(await answer(port, bytes))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(refusals).toEqual([]);
  });

  it("leaves an HTTP server of the application alone", async () => {
    const http = createHttpServer();
    const errors: unknown[] = [];
    http.on("clientError", ({ code }: NodeJS.ErrnoException, socket) => {
      errors.push(code);
      socket.end("HTTP/1.1 418 I'm a teapot\r\n\r\n");
    });
    const port = await listening(http);
    await bench.server().listen({ ws: { server: http } });
    expect(String(await answer(port, helloFrame()))).toMatch(/^HTTP\/1\.1 418 /);
    expect(errors).toEqual(["HPE_INVALID_METHOD"]);
  });
});

describe("another magic", () => {
  const OURS = { magic: 0x12345678 };
  const TEXT = "the handshake was damaged; another magic: 0x7EDDFCF5 in place of 0x12345678";
  const CLIENT_TEXT = "the handshake was damaged; another magic: 0x12345678 in place of 0x7EDDFCF5";

  it.each(["tcp", "tls"] as const)("over %s is in the text of both ends, and is tried again", async (scheme) => {
    const { port, refusals } = await open(scheme, OURS);
    const error = await failure(`${scheme}://localhost:${port}`, { reconnect: { retries: 0 } });
    expect(error).toMatchObject({ code: "resync-budget", message: expect.stringContaining(CLIENT_TEXT) });
    expect(refusals).toMatchObject([{ code: "resync-budget", message: TEXT }]);
    expect(isRetryable(closeCodeOf("resync-budget"))).toBe(true);
  });

  it.each(["ws", "wss"] as const)("over %s the client has the server's text", async (scheme) => {
    const { port, refusals } = await open(scheme, OURS);
    const error = await failure(`${scheme}://localhost:${port}`, { reconnect: { retries: 0 } });
    expect(error).toMatchObject({ code: "resync-budget", message: expect.stringContaining(TEXT) });
    expect(refusals).toMatchObject([{ code: "resync-budget", message: TEXT }]);
  });

  it("is in the text too where version 1 has no handshake, once the noise is too much", async () => {
    const server = bench.server({ ...OURS, maxPayload: 1024 });
    const ended = new Promise<FramewireError>((resolve) => server.on("disconnection", (_connection, error) => resolve(error)));
    const { tcp } = await server.listen({ tcp: { protocol: "v1" } });
    const frames = Buffer.concat(Array(200).fill(encodeFrame({ cmd: 257, payload: new Uint8Array(20) })));
    await answer(tcp!.port, frames);
    expect(await ended).toMatchObject({
      code: "resync-budget",
      message: expect.stringMatching(/; another magic: 0x7EDDFCF5 in place of 0x12345678$/),
    });
  });

  it("of any length of a varint is recognised", async () => {
    const { port, refusals } = await open("tcp");
    await answer(port, Buffer.from("0896011007200118022a", "hex"));
    expect(refusals).toMatchObject([{ message: expect.stringContaining("0x00000096") }]);
  });

  it("is not claimed where our magic came and something else is damaged", async () => {
    const { port, refusals } = await open("tcp");
    const damaged = helloFrame();
    damaged[damaged.length - 1]! ^= 1;
    await answer(port, damaged);
    expect(refusals).toEqual([expect.objectContaining({ code: "resync-budget", message: "the handshake was damaged" })]);
  });
});
