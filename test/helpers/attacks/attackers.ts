/** The sockets of an attack, from addresses of this machine, and how they ended. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeFrame, FrameDecoder } from "../../../src/codec/index.js";
import { DataFrame, FrameKind } from "../../../src/gen/framewire/v1/data_frame.js";
import { Goaway, type Hello, Welcome } from "../../../src/gen/framewire/v1/session.js";
import { helloFrame } from "../raw-peer.js";
import type { Addresses } from "./attacked-server.js";

/** What a TCP socket can be dropped with: no close code, as nothing that could carry one was spoken yet, or read. */
export const NO_WORD = 0;

export type Kind = keyof Addresses;

/** Where a socket comes from: one of the attackers' addresses by any number, or an address of this machine. */
export type From = number | string;

/** Addresses that attackers come from; good clients come from 127.0.0.1. */
const ADDRESSES = 50;
const NOWHERE_ELSE = "127.0.99.1";
/** Of what a socket reads so much is kept, to find its last word in. */
const TAIL = 2048;
const MASK = Uint8Array.of(0, 0, 0, 0);
const PREFIX = Buffer.from(encodeFrame({ cmd: 0 }).subarray(0, 6));
/** A welcome comes within this time, in milliseconds, or the attack is over. */
const WELCOME_MS = 5000;

export function upgrade(path = "/", protocol = "framewire.v2"): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Protocol: ${protocol}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  );
}

/** A WebSocket frame from a client: by default a whole binary message. */
export function message(bytes: Uint8Array, opcode = 0x82): Uint8Array {
  const { length } = bytes;
  const head =
    length < 126 ? [0x80 | length] : length < 65_536 ? [0xfe, length >> 8, length & 0xff] : [0xff, 0, 0, 0, 0, ...uint32(length)];
  return Buffer.concat([Uint8Array.of(opcode, ...head), MASK, bytes]);
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

/** How slow the slow ones are, in milliseconds. */
export interface Paces {
  /** Between two bytes of those that send slowly. */
  readonly dripMs: number;
  /** How long those do not read that do not read, and those stay that leave by themselves. A socket that is not read does not hear of its end. */
  readonly deafMs: number;
}

export const FULL_PACES: Paces = { dripMs: 1000, deafMs: 4000 };

export class Attackers {
  readonly #ports: Readonly<Record<Kind, number>>;
  opened = 0;
  closed = 0;
  /** Those of `closed` that left by themselves. */
  left = 0;
  /** How many the server closed with each code; 404 and the like are statuses of HTTP. */
  readonly codes: Record<number, number> = {};
  /** How long each was open, in milliseconds. */
  readonly lives: number[] = [];
  /** What an attack itself saw that must not be. */
  readonly wrong = new Set<string>();
  readonly paces: Paces;
  readonly #until: number;
  readonly #sockets = new Set<Socket>();
  readonly #leaving = new WeakSet<Socket>();

  /** `lastingMs`: how long new ones come in place of those that are gone, once the attack has had its number of sockets. */
  constructor({ ws, tcp, shared }: Addresses, { lastingMs = 0, ...paces }: Paces & { readonly lastingMs?: number } = FULL_PACES) {
    const port = (url: string) => Number(new URL(url).port);
    this.#ports = { ws: port(ws), tcp: port(tcp), shared: port(shared) };
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

  /** Opens a socket. */
  open(kind: Kind, from: From = NOWHERE_ELSE, localPort?: number): Socket {
    const localAddress = typeof from === "string" ? from : `127.0.${1 + (from % ADDRESSES)}.1`;
    const local = localPort === undefined ? { localAddress } : { localAddress, localPort };
    const socket = connect({ port: this.#ports[kind], host: "127.0.0.1", ...local });
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
      this.lives.push(performance.now() - started);
      if (this.#leaving.has(socket)) {
        this.left++;
        return;
      }
      const code = lastWord(tail, kind);
      this.codes[code] = (this.codes[code] ?? 0) + 1;
    });
    return socket;
  }

  /** A socket that has said hello. */
  member(from?: From, hello: Partial<Hello> = {}): Socket {
    const socket = this.open("tcp", from);
    socket.write(helloFrame(hello));
    return socket;
  }

  /** A WebSocket that has said hello, once it is open. */
  async upgraded(from?: From, hello: Partial<Hello> = {}): Promise<Socket> {
    const socket = this.open("ws", from);
    socket.write(upgrade());
    await answered(socket);
    socket.write(message(helloFrame(hello)));
    return socket;
  }

  /** A member, and what it was welcomed with; `undefined` if it was not. */
  async welcomed(
    from: From | undefined,
    hello: Partial<Hello>,
  ): Promise<{ readonly socket: Socket; readonly welcome: Welcome | undefined }> {
    const socket = this.member(from, hello);
    const decoder = new FrameDecoder();
    const welcome = await new Promise<Welcome | undefined>((resolve) => {
      const timer = setTimeout(resolve, WELCOME_MS);
      const settle = (welcome?: Welcome) => {
        clearTimeout(timer);
        socket.off("data", read);
        resolve(welcome);
      };
      const read = (chunk: Buffer) =>
        void decoder.push(chunk, ({ kind, payload }) =>
          settle(kind === FrameKind.FRAME_KIND_WELCOME ? Welcome.decode(payload) : undefined),
        );
      socket.on("data", read);
      socket.once("close", () => settle());
    });
    return { socket, welcome };
  }

  /** `socket` leaves by itself, without a word. */
  drop(socket: Socket): void {
    this.#leaving.add(socket);
    socket.destroy();
  }

  /** All that are still there leave. */
  leave(): void {
    for (const socket of this.#sockets) this.drop(socket);
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

/** Resolves with the first bytes, or with the end. */
export function answered(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve());
    socket.once("close", () => resolve());
  });
}

/** The code of the close frame or goaway that `tail` ends with, or the status of an HTTP answer. */
function lastWord(tail: Buffer, kind: Kind): number {
  const status = /^HTTP\/1\.1 ([45]\d\d) /.exec(tail.subarray(0, 20).toString("latin1"));
  if (status !== null) return Number(status[1]);
  for (let at = tail.length - 4; kind !== "tcp" && at >= 0; at--) {
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

/** Writes as fast as it is taken, until the end. */
export function flood(socket: Socket, chunk: Uint8Array): void {
  pour(socket, () => chunk);
}

/** Writes what `next` gives, as fast as it is taken, until there is no more. */
export function pour(socket: Socket, next: () => Uint8Array | undefined): void {
  const more = () => {
    while (!socket.destroyed) {
      const chunk = next();
      if (chunk === undefined || !socket.write(chunk)) return;
    }
  };
  socket.on("drain", more);
  more();
}

/** Writes byte after byte, slowly. */
export function drip(socket: Socket, bytes: Uint8Array, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), everyMs);
  socket.on("close", () => clearInterval(timer));
}
