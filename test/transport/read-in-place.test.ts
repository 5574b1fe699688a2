import { once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import type { Transport } from "../../src/link/transport.js";
import { connectTcp } from "../../src/transport/tcp.js";
import { connectNodeWebSocket } from "../../src/transport/websocket-node-connect.js";
import { Random } from "../helpers/random.js";

let server: Server;
let peer: Socket;
afterEach(() => {
  server.close();
  peer.destroy();
});

/** One frame of RFC 6455 section 5.2, not masked. */
function frameOf(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = length < 126 ? [first, length] : [first, 126, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(header), payload]);
}

/** A client's transport; `peer` is the plain socket of its server. */
async function connected(): Promise<Transport> {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const url = new URL(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const transport = await connectTcp(url, [2], undefined, new AbortController().signal);
  [peer] = (await accepted) as [Socket];
  return transport;
}

/** Opens `transport`; gives what it brings. */
function listen(transport: Transport, onData: () => void = () => {}) {
  const got = { bytes: [] as Buffer[], ended: false };
  transport.open({
    onData: (chunk) => {
      got.bytes.push(Buffer.from(chunk));
      onData();
    },
    onAlive: () => {},
    onDrain: () => {},
    onClose: () => {
      got.ended = true;
    },
  });
  return got;
}

describe("a socket that a client connected", () => {
  it("gives all bytes once and in order, however it is paused and resumed", async () => {
    const random = new Random(8);
    const transport = await connected();
    let paused = false;
    const turn = () => {
      paused = random.oneIn(3);
      if (paused) transport.pause();
      else transport.resume();
    };
    const sent = random.bytes(3_000_000);
    // What comes before anybody listens is not lost.
    peer.write(sent.subarray(0, 1000));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const got = listen(transport, turn);
    for (let at = 1000; at < sent.length; ) {
      const next = Math.min(sent.length, at + random.from(1, 100_000));
      peer.write(sent.subarray(at, next));
      at = next;
      for (let i = random.from(0, 3); i > 0; i--) {
        turn();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    peer.end();
    while (!got.ended) {
      turn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(Buffer.compare(Buffer.concat(got.bytes), sent)).toBe(0);
  });

  it("hears that its peer has gone while it is paused", async () => {
    const transport = await connected();
    const got = listen(transport);
    transport.pause();
    peer.end();
    await expect.poll(() => got.ended).toBe(true);
  });
});

describe("a WebSocket on a socket that reads in place", () => {
  it("gives every message whole and answers pings with their own bytes, the last one of each chunk, however they are fragmented and cut", async () => {
    const random = new Random(21);
    const http = createHttpServer();
    server = http.listen(0, "127.0.0.1");
    await once(server, "listening");
    const webSockets = new WebSocketServer({ server: http });
    const opened = once(webSockets, "connection") as Promise<[WebSocket, IncomingMessage]>;
    const url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const options = { maxMessage: 1_000_000, tls: undefined, headers: undefined };
    const transport = await connectNodeWebSocket(url, [2], options, new AbortController().signal);
    const [webSocket, request] = await opened;
    peer = request.socket;
    expect(webSocket.protocol).toBe("framewire.v2");
    const pongs: Buffer[] = [];
    webSocket.on("pong", (data) => pongs.push(data));

    const messages: Buffer[] = [];
    const pings: Buffer[] = [];
    const frames: Buffer[] = [];
    for (let i = 0; i < 400; i++) {
      const parts = Array.from({ length: random.oneIn(4) ? random.from(2, 4) : 1 }, () => random.bytes(random.from(0, 20_000)));
      messages.push(Buffer.concat(parts));
      for (const [index, part] of parts.entries()) {
        frames.push(frameOf((index === 0 ? 2 : 0) | (index === parts.length - 1 ? 0x80 : 0), part));
        if (!random.oneIn(6)) continue;
        pings.push(Buffer.from(random.bytes(random.from(0, 125))));
        frames.push(frameOf(0x89, pings.at(-1)!));
      }
    }
    const stream = Buffer.concat(frames);
    const written = stream.indexOf(frames[5]!);
    // What comes before anybody listens is not lost.
    peer.write(stream.subarray(0, written));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const got = listen(transport, () => {
      if (!random.oneIn(9)) return;
      transport.pause();
      setImmediate(() => transport.resume());
    });
    for (let at = written; at < stream.length; ) {
      const next = Math.min(stream.length, at + random.from(1, 90_000));
      peer.write(stream.subarray(at, next));
      at = next;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => got.bytes.length).toBe(messages.length);
    expect(got.bytes.every((bytes, index) => bytes.equals(messages[index]!))).toBe(true);
    await expect.poll(() => pongs.at(-1)?.equals(pings.at(-1)!)).toBe(true);
    let answered = 0;
    for (const ping of pings) if (pongs[answered]?.equals(ping)) answered++;
    expect(answered).toBe(pongs.length);
    transport.destroy();
  });
});
