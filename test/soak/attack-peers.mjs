/** The attackers, in a process of their own: `attack-peers.mjs NAME WS-URL TCP-URL`. Begins when it is told to, and tells its figures when the last of them is gone. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gibibyte, hello, LARGE, PING, REQUEST, seeded, TAKE, UNKNOWN } from "./attack-wire.mjs";

const [, , name = "", ws = "", tcp = ""] = process.argv;
const WS_PORT = Number(new URL(ws).port);
const TCP_PORT = Number(new URL(tcp).port);
const UPGRADE =
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Protocol: framewire.v2\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

let opened = 0;
let closed = 0;
let bytes = 0;
/** How long each was open, in milliseconds. */
const lives = [];

/** Opens a socket, from one of 50 addresses of this machine or, without `index`, from one of its own. @param {number} port @param {number} [index] */
function open(port, index) {
  const localAddress = index === undefined ? "127.0.99.1" : `127.0.${1 + (index % 50)}.1`;
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const started = performance.now();
  opened++;
  socket.on("error", () => {});
  socket.on("close", () => {
    closed++;
    bytes += socket.bytesWritten;
    lives.push(performance.now() - started);
  });
  return socket;
}

/** Writes as fast as it is taken, until the end. @param {import("node:net").Socket} socket @param {Uint8Array} chunk */
function flood(socket, chunk) {
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

/** Writes one byte a second. @param {import("node:net").Socket} socket @param {Uint8Array} rest */
function drip(socket, rest) {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) return clearInterval(timer);
    socket.write(rest.subarray(at, ++at));
    if (at === rest.length) at = 0;
  }, 1000);
}

const many = (/** @type {Uint8Array} */ frame, count = 3000) => Buffer.concat(Array(count).fill(frame));
const frame = seeded({ cmd: TAKE, payload: new Uint8Array(2000) });

/** @type {Record<string, () => Promise<void> | void>} */
const ATTACKS = {
  async slowloris() {
    for (let i = 0; i < 500; i++) {
      // A byte a second in the HTTP upgrade, in the hello, and in a frame behind it.
      drip(open(WS_PORT, i).resume(), Buffer.from(UPGRADE));
      drip(open(TCP_PORT, i).resume(), hello);
      const member = open(TCP_PORT, i).resume();
      member.write(hello);
      drip(member, frame);
      if (i % 50 === 0) await sleep(5);
    }
  },
  async "half-done handshakes"() {
    for (let i = 0; i < 10_000; i++) {
      open(i % 2 === 0 ? TCP_PORT : WS_PORT, i).resume();
      if (i % 100 === 0) await sleep(5);
    }
  },
  async "1 GiB claimed"() {
    for (let i = 0; i < 1000; i++) {
      const socket = open(TCP_PORT, i).resume();
      socket.write(hello);
      // What a header may claim, over and over, with nothing behind it.
      socket.write(gibibyte);
      const upgraded = open(WS_PORT, i);
      upgraded.write(UPGRADE);
      upgraded.once("data", () => {
        upgraded.resume();
        upgraded.write(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4));
      });
      if (i % 50 === 0) await sleep(5);
    }
  },
  async "readers that never read"() {
    for (let i = 0; i < 20; i++) {
      const socket = open(TCP_PORT, i);
      socket.write(hello);
      // Half a MiB for each; more of them than the peer ever acknowledges.
      socket.write(Buffer.concat(Array.from({ length: 200 }, (_, n) => seeded({ cmd: LARGE, kind: REQUEST, callId: 2 * n + 1 }))));
      // A socket that is not read does not hear of its end either.
      setTimeout(() => socket.resume(), 15_000);
      await sleep(20);
    }
  },
  "endless tiny frames": () => floods(many(seeded({ cmd: TAKE }))),
  "unknown commands": () => floods(many(seeded({ cmd: UNKNOWN }))),
  "unknown calls": () =>
    floods(Buffer.concat(Array.from({ length: 3000 }, (_, i) => seeded({ cmd: UNKNOWN, kind: REQUEST, callId: 2 * i + 1 })))),
  pings: () => floods(many(seeded({ kind: PING }))),
  noise: () => floods(Buffer.alloc(65_536, 0x55)),
};

/** Eight at once from one address, and a new one for each that is thrown out, 40 in all. @param {Uint8Array} chunk */
function floods(chunk) {
  const next = () => {
    if (opened >= 40) return;
    const socket = open(TCP_PORT).resume();
    socket.once("close", next);
    socket.write(hello);
    flood(socket, chunk);
  };
  for (let i = 0; i < 8; i++) next();
}

// Started long before, so that starting it is no part of the attack.
await new Promise((resolve) => process.once("message", resolve));
await ATTACKS[name]?.();
const deadline = performance.now() + 120_000;
while (closed < opened && performance.now() < deadline) await sleep(20);
lives.sort((a, b) => a - b);
const figures = { opened, closed, bytes, median: lives[lives.length >> 1] ?? 0, longest: lives.at(-1) ?? 0 };
process.send?.(figures, () => process.exit());
