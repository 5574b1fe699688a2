/** Attacks by what is sent too fast: useless frames, noise, and what WebSocket has below frames. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameKind } from "../../../src/gen/framewire/v1/data_frame.js";
import { seededFrame } from "../raw-peer.js";
import { type Attack, codesOf } from "./attack.js";
import { SLOW, TAKE } from "./attacked-server.js";
import { type Attackers, flood, message, NO_WORD, pour } from "./attackers.js";

const UNKNOWN = 0x7777;
/** Those who go on sending when they are told to go, megabytes long, are reset, and may lose what they were told. */
export const DEAF = [NO_WORD];
/** WebSocket's own code for a breach of policy. */
export const POLICY = 1008;

/** So many come from one address, which has spent by then what it may send of what is of no use; then the next one is used. */
const FROM_ONE_ADDRESS = 8;
/** They come a few together, and then one after the other, whatever has become of those before. */
const TOGETHER = 8;
const EVERY_MS = 10;
const NOTHING = new Uint8Array(0);

const PING = 0x89;
const PONG = 0x8a;
const UNFINISHED = 0x02;
const CONTINUATION = 0x00;

type OpenOne = (attackers: Attackers, address: number) => void;

/** Sockets come one after the other, each with what `open` makes it do. */
function oneByOne(open: OpenOne, fromOneAddress = FROM_ONE_ADDRESS) {
  return async (attackers: Attackers, sockets: number): Promise<void> => {
    while (attackers.wants(sockets)) {
      open(attackers, Math.floor(attackers.opened / fromOneAddress));
      if (attackers.opened >= TOGETHER) await sleep(EVERY_MS);
    }
  };
}

/** Each sends as fast as it can until it is thrown out: `chunk` on TCP, `upgraded` on every second one, a WebSocket. */
function floods(chunk: Uint8Array, upgraded?: Uint8Array, fromOneAddress?: number) {
  return oneByOne((attackers, address) => {
    if (upgraded === undefined || attackers.opened % 2 === 0) flood(attackers.member(address), chunk);
    else void attackers.upgraded(address).then((socket) => flood(socket, upgraded));
  }, fromOneAddress);
}

/** The same frames as one stream, and as messages of a few hundred of them. */
function framesFlood(frames: readonly Uint8Array[], fromOneAddress?: number) {
  const batches: Uint8Array[] = [];
  for (let i = 0; i < frames.length; i += 300) batches.push(message(Buffer.concat(frames.slice(i, i + 300))));
  const stream = Buffer.concat(frames);
  return { frameBytes: stream.length / frames.length, run: floods(stream, Buffer.concat(batches), fromOneAddress) };
}

const repeated = (frame: Uint8Array) => Array<Uint8Array>(3000).fill(frame);

/** WebSocket frames below our own, as fast as they are taken. */
function webSocketFlood(frame: Uint8Array, first?: Uint8Array) {
  const chunk = Buffer.concat(repeated(frame));
  return {
    frameBytes: frame.length,
    run: oneByOne((attackers, address) => {
      void attackers.upgraded(address).then((socket) => {
        if (first !== undefined) socket.write(first);
        flood(socket, chunk);
      });
    }),
  };
}

const RATE = { limits: ["rate-exceeded"], codes: codesOf("rate-exceeded"), also: DEAF, sockets: 40, few: 8 } as const;

/** Calls of a slow command that are over at once for their caller, as fast as they are taken; ids go up, as they must. */
function shortCalls(socket: Socket): void {
  let callId = -1;
  pour(socket, () => {
    const frames = Array.from({ length: 100 }, () =>
      seededFrame({ cmd: SLOW, kind: FrameKind.FRAME_KIND_REQUEST, callId: (callId += 2), timeoutMs: 1 }),
    );
    return Buffer.concat(frames);
  });
}

/** Calls that are cancelled right away. */
function cancelled(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => [
    seededFrame({ cmd: SLOW, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2 * i + 1 }),
    seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_CANCEL, callId: 2 * i + 1 }),
  ]).flat();
}

export const FLOODS: readonly Attack[] = [
  { ...RATE, name: "endless tiny frames", ...framesFlood(repeated(seededFrame({ cmd: TAKE })), Number.POSITIVE_INFINITY) },
  { ...RATE, name: "unknown commands", ...framesFlood(repeated(seededFrame({ cmd: UNKNOWN }))) },
  {
    ...RATE,
    name: "unknown calls",
    ...framesFlood(
      Array.from({ length: 3000 }, (_, i) => seededFrame({ cmd: UNKNOWN, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2 * i + 1 })),
    ),
  },
  { ...RATE, name: "pings", ...framesFlood(repeated(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_PING }))) },
  {
    ...RATE,
    name: "noise",
    limits: ["resync-budget"],
    codes: codesOf("resync-budget"),
    run: floods(Buffer.alloc(65_536, 0x55)),
  },
  {
    ...RATE,
    name: "cancels",
    // Their handlers go on, and so further calls are refused.
    alsoLimits: ["resource-exhausted"],
    ...framesFlood(cancelled(3000)),
  },
  { ...RATE, name: "WebSocket pongs", ...webSocketFlood(message(NOTHING, PONG)) },
  { ...RATE, name: "WebSocket pings", ...webSocketFlood(message(NOTHING, PING)) },
  { ...RATE, name: "empty messages", ...webSocketFlood(message(NOTHING)) },
  {
    ...RATE,
    name: "empty fragments",
    codes: [],
    also: [...DEAF, POLICY, ...codesOf("rate-exceeded")],
    ...webSocketFlood(message(NOTHING, CONTINUATION), message(NOTHING, UNFINISHED)),
  },
  {
    ...RATE,
    name: "fragments of one byte",
    codes: [],
    also: [...DEAF, POLICY, ...codesOf("rate-exceeded")],
    ...webSocketFlood(message(Uint8Array.of(1), CONTINUATION), message(Uint8Array.of(1), UNFINISHED)),
  },
  {
    ...RATE,
    name: "one socket after the other",
    codes: [],
    also: [...DEAF, ...codesOf("rate-exceeded")],
    leaves: true,
    sockets: 200,
    few: 12,
    // Each sends a little less than a whole burst of useless frames, and is followed by the next from the same address.
    async run(attackers, sockets) {
      const frames = Buffer.concat(Array<Uint8Array>(2000).fill(seededFrame({ cmd: UNKNOWN })));
      while (attackers.wants(sockets)) {
        const socket = attackers.member(0);
        socket.write(frames);
        await sleep(EVERY_MS);
        attackers.drop(socket);
      }
    },
  },
  {
    ...RATE,
    name: "calls of one millisecond",
    limits: ["resource-exhausted"],
    alsoLimits: ["rate-exceeded", "slow-consumer"],
    codes: [],
    also: [...DEAF, ...codesOf("rate-exceeded", "slow-consumer")],
    leaves: true,
    sockets: 8,
    few: 2,
    async run(attackers, sockets) {
      for (let i = 0; i < sockets; i++) shortCalls((await attackers.welcomed(i, {})).socket);
      await sleep(attackers.paces.deafMs);
      attackers.leave();
    },
  },
];
