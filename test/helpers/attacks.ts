/**
 * What somebody might do to a server, over real sockets and with whatever bytes: each attack with the limits that have to end it. The
 * soak runs them at full size against a server in a process of its own, a test runs them small.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeFrame } from "../../src/codec/index.js";
import { closeCodeOf } from "../../src/errors.js";
import { DataFrame, FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway } from "../../src/gen/framewire/v1/session.js";
import type { LimitCode } from "../../src/server/index.js";
import { helloFrame, seededFrame } from "./raw-peer.js";

/** Commands of the server that is attacked: gives back what it got; takes it; gives `LARGE_BYTES`. */
export const ECHO = 0x0201;
export const TAKE = 0x0202;
export const LARGE = 0x0203;
export const LARGE_BYTES = 512 * 1024;
const UNKNOWN = 0x7777;

/** A codec whose messages are their bytes. */
export const BYTES = {
  encode: (bytes: Uint8Array) => ({ finish: () => bytes }),
  decode: (bytes: Uint8Array) => bytes,
};

/** What a TCP socket can be dropped with: no close code, as nothing that could carry one was spoken yet, or read. */
const NO_WORD = 0;
const TOO_BIG_MESSAGE = 1009;

const UPGRADE =
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Protocol: framewire.v2\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** Of what a socket reads so much is kept, to find its last word in. */
const TAIL = 2048;
const MASK = Uint8Array.of(0, 0, 0, 0);
const PREFIX = Buffer.from(encodeFrame({ cmd: 0 }).subarray(0, 6));

/** How slow the slow ones are, in milliseconds. */
export interface Paces {
  /** Between two bytes of who sends slowly. */
  readonly dripMs: number;
  /** How long who does not read does not read: a socket that is not read does not hear of its end either. */
  readonly deafMs: number;
}

export const FULL_PACES: Paces = { dripMs: 1000, deafMs: 4000 };

/** The sockets of an attack, and how they ended. */
export class Attackers {
  readonly #ws: number;
  readonly #tcp: number;
  opened = 0;
  closed = 0;
  /** Bytes that the server's side took. */
  bytes = 0;
  /** How many were closed with each code. */
  readonly codes: Record<number, number> = {};
  /** How long each was open, in milliseconds. */
  readonly lives: number[] = [];
  readonly #sockets = new Set<Socket>();

  readonly paces: Paces;
  readonly #until: number;

  /** `lastingMs`: how long new ones come in place of those that are gone, once the attack has had its number of sockets. */
  constructor(ws: string, tcp: string, { lastingMs = 0, ...paces }: Paces & { readonly lastingMs?: number } = FULL_PACES) {
    this.#ws = Number(new URL(ws).port);
    this.#tcp = Number(new URL(tcp).port);
    this.paces = paces;
    this.#until = performance.now() + lastingMs;
  }

  /** A pause between those who come in crowds, a longer one when all have been there. */
  async pause(sockets: number): Promise<void> {
    await sleep(this.opened < sockets ? 5 : 50);
  }

  /** Whether another one is to come. */
  wants(sockets: number): boolean {
    return this.opened < sockets || performance.now() < this.#until;
  }

  /** Opens a socket: from one of 50 addresses of this machine, or from one of its own. */
  open(kind: "ws" | "tcp", index?: number): Socket {
    const localAddress = index === undefined ? "127.0.99.1" : `127.0.${1 + (index % 50)}.1`;
    const socket = connect({ port: kind === "ws" ? this.#ws : this.#tcp, host: "127.0.0.1", localAddress });
    const started = performance.now();
    let tail = Buffer.alloc(0);
    this.opened++;
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-TAIL);
    });
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.closed++;
      this.bytes += socket.bytesWritten - socket.writableLength;
      this.lives.push(performance.now() - started);
      const code = lastWord(tail, kind);
      this.codes[code] = (this.codes[code] ?? 0) + 1;
    });
    return socket;
  }

  /** A socket that has said hello. */
  member(index?: number): Socket {
    const socket = this.open("tcp", index);
    socket.write(helloFrame());
    return socket;
  }

  /** A WebSocket that has said hello, once it is open. */
  async upgraded(index?: number): Promise<Socket> {
    const socket = this.open("ws", index);
    socket.write(UPGRADE);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.write(message(helloFrame()));
    return socket;
  }

  /** Resolves when all are closed, or false when it takes too long. */
  async gone(limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs;
    while (this.closed < this.opened && performance.now() < deadline) await sleep(20);
    const gone = this.closed === this.opened;
    for (const socket of this.#sockets) socket.destroy();
    return gone;
  }
}

/** The code of the close frame or of the goaway that `tail` ends with. */
function lastWord(tail: Buffer, kind: "ws" | "tcp"): number {
  for (let at = tail.length - 4; kind === "ws" && at >= 0; at--) {
    if (tail[at] === 0x88 && at + 2 + (tail[at + 1] as number) === tail.length) return tail.readUInt16BE(at + 2);
  }
  for (let at = tail.lastIndexOf(PREFIX); at >= 0; at = at === 0 ? -1 : tail.lastIndexOf(PREFIX, at - 1)) {
    try {
      const { kind, payload } = DataFrame.decode(tail.subarray(at));
      if (kind === FrameKind.FRAME_KIND_GOAWAY) return Goaway.decode(payload ?? new Uint8Array(0)).closeCode;
    } catch {
      // Another frame, or part of one.
    }
  }
  return NO_WORD;
}

/** A WebSocket message from a client. */
function message(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const head = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(0x82, ...head), MASK, bytes]);
}

/** Writes as fast as it is taken, until the end. */
export function flood(socket: Socket, chunk: Uint8Array): void {
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on("drain", more);
  more();
}

/** Writes byte after byte, slowly. */
function drip(socket: Socket, bytes: Uint8Array, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), everyMs);
  socket.on("close", () => clearInterval(timer));
}

export interface Attack {
  readonly name: string;
  /** The limits that end it, each of them. */
  readonly limits: readonly LimitCode[];
  /** The close codes that its sockets read, each of them by some. */
  readonly codes: readonly number[];
  /** How it may end beside these. */
  readonly also?: readonly number[];
  /** It is the number of its sockets that tells. */
  readonly crowd?: true;
  /** Of one of its frames, with what is around it, where it sends whole ones. */
  readonly frameBytes?: number;
  /** Sockets at full size, and how many do for a short one. */
  readonly sockets: number;
  readonly few: number;
  readonly run: (attackers: Attackers, sockets: number) => Promise<void> | void;
}

const codesOf = (...limits: readonly Exclude<LimitCode, "resource-exhausted">[]) => limits.map(closeCodeOf);

/** Who goes on sending when it is told to go, megabytes long, is reset, and may lose what it was told. */
const DEAF = [NO_WORD];

/** One frame of one GiB begins like this. */
const GIBIBYTE = Uint8Array.of(...PREFIX, 0x10, 0x80, 0x80, 0x80, 0x80, 0x04, 0x18, 2, 0x20, 1, 0x2a, 0x80, 0x80, 0x80, 0x80, 0x04);
/** And a WebSocket message of one GiB like this. */
const GIBIBYTE_MESSAGE = Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4);

/** So many come from one address, which has spent by then what it may send of what is of no use; then the next one is used. */
const FROM_ONE_ADDRESS = 8;
/** They come a few together, and then one after the other, whatever has become of those before. */
const TOGETHER = 8;
const EVERY_MS = 10;

/** Each sends as fast as it can until it is thrown out. */
function floods(chunk: Uint8Array, upgraded?: Uint8Array, fromOneAddress = FROM_ONE_ADDRESS) {
  return async (attackers: Attackers, sockets: number): Promise<void> => {
    while (attackers.wants(sockets)) {
      const address = Math.floor(attackers.opened / fromOneAddress);
      if (upgraded === undefined || attackers.opened % 2 === 0) flood(attackers.member(address), chunk);
      else void attackers.upgraded(address).then((socket) => flood(socket, upgraded));
      if (attackers.opened >= TOGETHER) await sleep(EVERY_MS);
    }
  };
}

/** The same frames as one stream, and as messages of a few hundred of them. */
function framesFlood(frames: readonly Uint8Array[], fromOneAddress = FROM_ONE_ADDRESS) {
  const batches: Uint8Array[] = [];
  for (let i = 0; i < frames.length; i += 300) batches.push(message(Buffer.concat(frames.slice(i, i + 300))));
  const stream = Buffer.concat(frames);
  return { frameBytes: stream.length / frames.length, run: floods(stream, Buffer.concat(batches), fromOneAddress) };
}

const repeated = (frame: Uint8Array) => Array<Uint8Array>(3000).fill(frame);

export const ATTACKS: readonly Attack[] = [
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
        drip(attackers.open("ws", i), Buffer.from(UPGRADE), dripMs);
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
      const half = { ws: UPGRADE.slice(0, 60), tcp: helloFrame().subarray(0, 10) };
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
      const calls = Array.from({ length: 200 }, (_, n) =>
        seededFrame({ cmd: LARGE, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2 * n + 1 }),
      );
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
    name: "endless tiny frames",
    limits: ["rate-exceeded"],
    codes: codesOf("rate-exceeded"),
    also: DEAF,
    sockets: 40,
    few: 8,
    ...framesFlood(repeated(seededFrame({ cmd: TAKE })), Number.POSITIVE_INFINITY),
  },
  {
    name: "unknown commands",
    limits: ["rate-exceeded"],
    codes: codesOf("rate-exceeded"),
    also: DEAF,
    sockets: 40,
    few: 8,
    ...framesFlood(repeated(seededFrame({ cmd: UNKNOWN }))),
  },
  {
    name: "unknown calls",
    limits: ["rate-exceeded"],
    codes: codesOf("rate-exceeded"),
    also: DEAF,
    sockets: 40,
    few: 8,
    ...framesFlood(
      Array.from({ length: 3000 }, (_, i) => seededFrame({ cmd: UNKNOWN, kind: FrameKind.FRAME_KIND_REQUEST, callId: 2 * i + 1 })),
    ),
  },
  {
    name: "pings",
    limits: ["rate-exceeded"],
    codes: codesOf("rate-exceeded"),
    also: DEAF,
    sockets: 40,
    few: 8,
    ...framesFlood(repeated(seededFrame({ cmd: 0, kind: FrameKind.FRAME_KIND_PING }))),
  },
  {
    name: "noise",
    limits: ["resync-budget"],
    codes: codesOf("resync-budget"),
    also: DEAF,
    sockets: 40,
    few: 8,
    run: floods(Buffer.alloc(65_536, 0x55)),
  },
];

/** What of an attack did not end as it has to. */
export function wrongEnds({ limits, codes, also = [] }: Attack, seen: AttackFigures): string[] {
  const wrong: string[] = [];
  if (seen.closed < seen.opened) wrong.push(`${seen.opened - seen.closed} of ${seen.opened} attackers were still connected`);
  for (const limit of limits) if (!(seen.limits[limit] ?? 0)) wrong.push(`${limit} was not counted`);
  for (const [limit, count] of Object.entries(seen.limits)) {
    if (count > 0 && !limits.includes(limit as LimitCode)) wrong.push(`ended by ${limit}`);
  }
  const counted = Object.values(seen.limits).reduce((sum, count) => sum + count, 0);
  if (counted !== seen.opened) wrong.push(`${counted} limits were counted for ${seen.opened} attackers`);
  for (const code of codes) if (!(seen.codes[code] ?? 0)) wrong.push(`nobody was closed with ${code}`);
  for (const code of Object.keys(seen.codes)) if (![...codes, ...also].includes(Number(code))) wrong.push(`closed with ${code}`);
  return wrong;
}

export interface AttackFigures {
  readonly opened: number;
  readonly closed: number;
  readonly codes: Readonly<Record<number, number>>;
  /** How often the server counted each limit meanwhile. */
  readonly limits: Readonly<Partial<Record<LimitCode, number>>>;
}
