/** Attacks by what waits: hellos, streams, replies and frames that the server holds for peers that do not let it get rid of them. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeFrame } from "../../../src/codec/index.js";
import { FrameKind } from "../../../src/gen/framewire/v1/data_frame.js";
import { helloFrame, seededFrame } from "../raw-peer.js";
import { type Attack, codesOf } from "./attack.js";
import { LARGE, SLOW, TAKE, THINK, UNAUTHORIZED, UNREAD } from "./attacked-server.js";
import { type Attackers, answered, message, NO_WORD, pour, upgrade } from "./attackers.js";

const PROTOCOL_VIOLATION = 4402;
const MIB = 1024 * 1024;
const CALLS = 1024;
/** What each call may be sent before its handler reads, and what an item costs beside its payload: docs/wire.md section 5. */
const CREDIT = 256 * 1024;
const ITEM_COST = 64;
const LARGE_ITEM = 15 * 1024;
/** An unknown field, as long as it is. */
const FIELD_15 = 0x7a;

/** What may end a connection for what is held for it. */
const HELD = ["rate-exceeded", "slow-consumer"] as const;
const ENDS = { alsoLimits: [...HELD, "resource-exhausted"], codes: [], also: [NO_WORD, ...codesOf(...HELD)] } as const;

const request = (cmd: number, callId: number) => seededFrame({ cmd, kind: FrameKind.FRAME_KIND_REQUEST, callId });

/** An item of which the decoder skips all. */
function item(callId: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes);
  payload.set([FIELD_15, ((bytes - 3) & 0x7f) | 0x80, (bytes - 3) >> 7]);
  return seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_ITEM, callId, payload });
}

/** All the calls a peer may have in flight, each with all the items that its first credit allows. */
function streams(cmd: number, itemBytes: number): (socket: Socket) => void {
  return (socket) => {
    let call = 0;
    pour(socket, () => {
      if (call === CALLS) return undefined;
      const callId = 2 * call++ + 1;
      const count = Math.floor(CREDIT / (itemBytes + ITEM_COST));
      return Buffer.concat([request(cmd, callId), ...Array<Uint8Array>(count).fill(item(callId, itemBytes))]);
    });
  };
}

/** Each of many does what `act` says, stays for a while and leaves. */
function crowd(act: (attackers: Attackers, index: number) => unknown) {
  return async (attackers: Attackers, sockets: number): Promise<void> => {
    for (let i = 0; i < sockets; i++) {
      await act(attackers, i);
      if (i % 20 === 0) await sleep(5);
    }
    await sleep(attackers.paces.deafMs);
    attackers.leave();
  };
}

export const HOARDERS: readonly Attack[] = [
  {
    name: "limits of one byte",
    limits: [],
    disconnects: ["protocol-violation"],
    codes: [PROTOCOL_VIOLATION],
    sockets: 400,
    few: 8,
    // What the server has to say is longer than what they say they take.
    async run(attackers, sockets) {
      const limits = { maxPayload: 1, maxCalls: 1, initialCredit: 1, maxTrailer: 1 };
      const pings = Array.from({ length: 10 }, () => seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_PING, payload: new Uint8Array(8) }));
      const acknowledged = seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 1_000_000n });
      for (let i = 0; attackers.wants(sockets); i++) {
        const hello = { limits };
        const socket = i % 2 === 0 ? attackers.member(i, hello) : await attackers.upgraded(i, hello);
        for (const frame of [...pings, acknowledged]) socket.write(i % 2 === 0 ? frame : message(frame));
        if (i % 20 === 0) await attackers.pause(sockets);
      }
    },
  },
  {
    name: "hellos of 1 MiB",
    crowd: true,
    limits: ["frame-too-large"],
    codes: codesOf("frame-too-large"),
    also: [NO_WORD],
    sockets: 1000,
    few: 10,
    async run(attackers, sockets) {
      const hello = { peer: { name: "n".repeat(MIB - 100), version: "", platform: "" } };
      const whole = message(helloFrame(hello));
      for (let i = 0; attackers.wants(sockets); i++) {
        if (i % 2 === 0) {
          attackers.member(i, hello);
        } else {
          const socket = attackers.open("ws", i);
          socket.write(upgrade());
          await answered(socket);
          socket.write(whole);
        }
        if (i % 10 === 0) await attackers.pause(sockets);
      }
    },
  },
  {
    name: "hellos of 60 KiB that wait",
    limits: [],
    alsoLimits: ["too-many-connections"],
    codes: [],
    also: [NO_WORD],
    leaves: true,
    sockets: 2000,
    few: 20,
    // Each session waits to be resumed when its client has left.
    async run(attackers, sockets) {
      const text = (length: number) => "é".repeat(length / 2);
      const hello = {
        peer: { name: text(20_000), version: text(20_000), platform: text(10_000) },
        schemaFingerprint: text(10_000),
      };
      for (let i = 0; i < sockets; i++) {
        void attackers.welcomed(i, hello).then(({ socket }) => attackers.drop(socket));
        if (i % 20 === 0) await sleep(5);
      }
    },
  },
  {
    ...ENDS,
    name: "streams of tiny items that nobody reads",
    limits: [],
    leaves: true,
    sockets: 100,
    few: 2,
    run: crowd((attackers, i) => streams(UNREAD, 3)(attackers.member(i))),
  },
  {
    ...ENDS,
    name: "streams of large items that nobody reads",
    limits: [],
    leaves: true,
    sockets: 100,
    few: 2,
    run: crowd((attackers, i) => streams(UNREAD, LARGE_ITEM)(attackers.member(i))),
  },
  {
    ...ENDS,
    name: "streams that authorize never lets in",
    limits: [],
    leaves: true,
    sockets: 100,
    few: 2,
    run: crowd((attackers, i) => streams(UNAUTHORIZED, 3)(attackers.member(i))),
  },
  {
    ...ENDS,
    name: "frames while authenticate thinks",
    limits: [],
    leaves: true,
    sockets: 200,
    few: 4,
    run: crowd((attackers, i) => {
      const socket = attackers.member(i, { credentials: Buffer.from(THINK) });
      const tiny = Buffer.concat(Array<Uint8Array>(3000).fill(seededFrame({ cmd: TAKE })));
      let left = 200;
      pour(socket, () => (left-- > 0 ? tiny : undefined));
    }),
  },
  {
    ...ENDS,
    name: "version 1 replies behind a slow one",
    limits: [],
    leaves: true,
    sockets: 100,
    few: 4,
    run: crowd((attackers, i) => {
      const socket = attackers.open("tcp", i);
      socket.write(encodeFrame({ cmd: SLOW }));
      socket.write(Buffer.concat(Array.from({ length: CALLS - 1 }, () => encodeFrame({ cmd: LARGE }))));
    }),
  },
  {
    ...ENDS,
    name: "replies not read, all of one address",
    limits: [],
    leaves: true,
    sockets: 1000,
    few: 40,
    // Each has less than what ends one of them by itself.
    run: crowd((attackers, i) => {
      const socket = attackers.member(0);
      const calls = Array.from({ length: 7 }, (_, n) => request(LARGE, 2 * n + 1));
      socket.once("data", () => socket.pause());
      socket.write(Buffer.concat(calls));
      return i % 4 === 0 ? sleep(1) : undefined;
    }),
  },
];
