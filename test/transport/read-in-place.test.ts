import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Transport } from "../../src/connection/transport.js";
import { readInPlace } from "../../src/transport/read-in-place.js";
import { connectTcp, TcpTransport } from "../../src/transport/tcp.js";
import { Random } from "../helpers/random.js";

let server: Server;
let peer: Socket;
afterEach(() => {
  server.close();
  peer.destroy();
});

/** A transport on one end and a plain socket on the other. */
const PAIRS: Readonly<Record<string, () => Promise<Transport>>> = {
  "a socket that a server accepted": async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    const taken = readInPlace(accepted);
    if (taken === undefined) throw new Error("this Node has sockets of another kind");
    return new TcpTransport(taken.socket, taken.inlet);
  },
  "a socket that a client connected": async () => {
    server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection");
    const url = new URL(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const transport = await connectTcp(url, [2], undefined, new AbortController().signal);
    [peer] = (await accepted) as [Socket];
    return transport;
  },
};

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

describe.each(Object.keys(PAIRS))("%s", (name) => {
  it("gives all bytes once and in order, however it is paused and resumed", async () => {
    const random = new Random(8);
    const transport = await PAIRS[name]!();
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
    const transport = await PAIRS[name]!();
    const got = listen(transport);
    transport.pause();
    peer.end();
    await expect.poll(() => got.ended).toBe(true);
  });

  it("is one connection of its server until it is closed", async () => {
    const transport = await PAIRS[name]!();
    listen(transport);
    const count = () => new Promise<number>((resolve) => server.getConnections((_, connections) => resolve(connections)));
    expect(await count()).toBe(1);
    transport.destroy();
    await expect.poll(count).toBe(0);
  });
});
