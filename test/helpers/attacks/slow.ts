/** Attacks by slowness and by claims: half a handshake, a byte a second, a length that never comes, replies that nobody reads. */
import { setTimeout as sleep } from "node:timers/promises";
import { encodeFrame } from "../../../src/codec/index.js";
import { FrameKind } from "../../../src/gen/framewire/v1/data_frame.js";
import { helloFrame, seededFrame } from "../raw-peer.js";
import { type Attack, codesOf } from "./attack.js";
import { JOIN, LARGE, TAKE } from "./attacked-server.js";
import { answered, drip, message, NO_WORD, upgrade } from "./attackers.js";

const TOO_BIG_MESSAGE = 1009;
const NOT_FOUND = 404;
/** Ports of clients that share them, each used once in this process: Linux gives none of them away by itself. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
let nextPort = process.pid * 97;

const PREFIX = encodeFrame({ cmd: 0 }).subarray(0, 6);
/** One frame of one GiB begins like this. */
const GIBIBYTE = Uint8Array.of(...PREFIX, 0x10, 0x80, 0x80, 0x80, 0x80, 0x04, 0x18, 2, 0x20, 1, 0x2a, 0x80, 0x80, 0x80, 0x80, 0x04);
/** And a WebSocket message of one GiB like this. */
const GIBIBYTE_MESSAGE = Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4);

const request = (cmd: number, n: number) => seededFrame({ cmd, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2 * n + 1 });

export const SLOW_ONES: readonly Attack[] = [
  {
    name: "slowloris",
    limits: ["handshake-timeout", "frame-timeout"],
    codes: [...codesOf("handshake-timeout", "frame-timeout"), NO_WORD],
    sockets: 2000,
    few: 16,
    async run(attackers, sockets) {
      const { dripMs } = attackers.paces;
      const frame = seededFrame({ cmd: TAKE, payload: new Uint8Array(2000) });
      for (let i = 0; i < sockets; i += 4) {
        // A byte a second in the HTTP upgrade, in the hello, and in a frame behind it, on both transports.
        drip(attackers.open("ws", i), Buffer.from(upgrade()), dripMs);
        drip(attackers.open("tcp", i), helloFrame(), dripMs);
        drip(attackers.member(i), frame, dripMs);
        void attackers.upgraded(i).then((socket) => drip(socket, message(frame), dripMs));
        if (i % 100 === 0) await sleep(5);
      }
    },
  },
  {
    name: "half-done handshakes",
    crowd: true,
    limits: ["handshake-timeout", "too-many-connections"],
    codes: [...codesOf("handshake-timeout", "too-many-connections"), NO_WORD],
    sockets: 10_000,
    few: 60,
    async run(attackers, sockets) {
      const half = { ws: upgrade().slice(0, 60), tcp: helloFrame().subarray(0, 10) };
      for (let i = 0; attackers.wants(sockets); i++) {
        const kind = i % 2 === 0 ? "tcp" : "ws";
        attackers.open(kind, i).write(half[kind]);
        if (i % 100 === 0) await attackers.pause(sockets);
      }
    },
  },
  {
    name: "1 GiB claimed",
    crowd: true,
    limits: ["frame-too-large"],
    codes: [...codesOf("frame-too-large"), TOO_BIG_MESSAGE],
    sockets: 2000,
    few: 16,
    async run(attackers, sockets) {
      for (let i = 0; attackers.wants(sockets); i += 4) {
        for (let k = 0; k < 2; k++) attackers.member(i).write(GIBIBYTE);
        for (const claim of [message(GIBIBYTE), GIBIBYTE_MESSAGE]) void attackers.upgraded(i).then((socket) => socket.write(claim));
        if (i % 100 === 0) await attackers.pause(sockets);
      }
    },
  },
  {
    name: "readers that never read",
    limits: ["slow-consumer"],
    codes: [],
    // The reason waits behind what they do not read.
    also: [NO_WORD, ...codesOf("slow-consumer")],
    sockets: 40,
    few: 8,
    async run(attackers, sockets) {
      const calls = Array.from({ length: 200 }, (_, n) => request(LARGE, n));
      for (let i = 0; attackers.wants(sockets); i++) {
        const socket = i % 2 === 0 ? attackers.member(i) : await attackers.upgraded(i);
        socket.pause();
        if (i % 2 === 0) socket.write(Buffer.concat(calls));
        else for (const call of calls) socket.write(message(call));
        setTimeout(() => socket.resume(), attackers.paces.deafMs);
        await sleep(20);
      }
    },
  },
  {
    name: "stalled members of a room",
    limits: [],
    alsoLimits: ["slow-consumer"],
    codes: [],
    also: [NO_WORD, ...codesOf("slow-consumer")],
    leaves: true,
    crowd: true,
    sockets: 1000,
    few: 20,
    // The server sends to the room and to everybody meanwhile, also what only the newest matters of.
    async run(attackers, sockets) {
      for (let i = 0; i < sockets; i++) {
        const socket = attackers.member(i);
        socket.write(request(JOIN, 0));
        await answered(socket);
        socket.pause();
        if (i % 50 === 0) await sleep(5);
      }
      await sleep(attackers.paces.deafMs);
      attackers.leave();
    },
  },
  {
    name: "paths that nobody serves",
    limits: [],
    uncounted: true,
    codes: [NOT_FOUND],
    sockets: 1000,
    few: 10,
    async run(attackers, sockets) {
      for (let i = 0; attackers.wants(sockets); i++) {
        attackers.open("shared", i).write(upgrade("/nowhere"));
        if (i % 50 === 0) await attackers.pause(sockets);
      }
    },
  },
  {
    name: "one client port, two listeners",
    limits: ["handshake-timeout"],
    codes: codesOf("handshake-timeout"),
    leaves: true,
    sockets: 400,
    few: 8,
    // Pairs from the same address and port: one a WebSocket that is open, the other a socket that says nothing.
    async run(attackers, sockets) {
      const pairs: { ended: boolean }[] = [];
      for (let i = 0; i < sockets / 2; i++) {
        const port = FIRST_PORT + (nextPort++ % PORTS);
        const open = attackers.open("ws", i, port);
        open.write(upgrade());
        await answered(open);
        if (open.destroyed) continue;
        open.write(message(helloFrame()));
        const silent = attackers.open("tcp", i, port);
        const pair = { ended: false };
        pairs.push(pair);
        open.once("close", () => {
          pair.ended = true;
        });
        silent.once("close", () => {
          if (pair.ended) attackers.wrong.add("an open WebSocket ended with a silent socket of the same port");
          attackers.drop(open);
        });
      }
    },
  },
];
