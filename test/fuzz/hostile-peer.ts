/**
 * One link of a hostile peer: says hello or welcome with hostile fields, then sends frames valid and not, pauses, closes, breaks off. What
 * the side under test sends to it is held against the wire's rules.
 */
import { FrameDecoder, type FrameView } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";
import type { Random } from "../helpers/random.js";
import { cat, v1, varint } from "../helpers/wire-builder.js";
import {
  anyFrame,
  bytes,
  ext,
  frame,
  type Greeting,
  goaway,
  hello,
  length,
  message,
  number,
  resume,
  type TrailerFields,
  text,
  uint32,
  uint64,
  welcome,
} from "./hostile.js";

/** Largest payload of a peer that says nothing of it, and the least that counts: docs/wire.md section 5. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;
const MIN_MAX_PAYLOAD = 1024;

/** What a client remembers from one link to the next. */
export interface Memory {
  token: Uint8Array;
  received: number;
  attempt: number;
}

export function newMemory(): Memory {
  return { token: new Uint8Array(0), received: 0, attempt: 0 };
}

export class HostilePeer {
  /** Rules that the side under test broke. */
  readonly broken: string[] = [];
  readonly #transport: Transport;
  readonly #random: Random;
  readonly #role: "client" | "server";
  readonly #memory: Memory;
  readonly #decoder: FrameDecoder;
  readonly #note: (line: string) => void;
  /** How many times rarer it breaks a rule once it has said hello or welcome: links of wild ones end early. */
  readonly #rarer: number;
  /** Calls of ours, and calls of the other side, by their numbers. */
  readonly #own: number[] = [];
  readonly #others: number[] = [];
  #seed: number | undefined;
  #maxPayload = DEFAULT_MAX_PAYLOAD;
  #sequence = 1;
  #nextCall: number;
  #greeted = false;
  closed = false;
  frames = 0;

  constructor(transport: Transport, role: "client" | "server", memory: Memory, random: Random, note: (line: string) => void) {
    this.#transport = transport;
    this.#random = random;
    this.#role = role;
    this.#memory = memory;
    this.#note = note;
    this.#rarer = random.pick([1, 4, 30]);
    this.#nextCall = role === "client" ? 1 : 2;
    this.#decoder = new FrameDecoder({
      maxPayload: 4 * DEFAULT_MAX_PAYLOAD,
      maxTrailer: 65_536,
      onDiscard: ({ reason }) => this.broken.push(`sent bytes that are no frame: ${reason}`),
    });
    transport.open({
      onData: (chunk) => void this.#decoder.push(chunk, (each) => this.#received(each)),
      onAlive: () => {},
      onDrain: () => {},
      onViolation: () => {},
      onClose: (code) => {
        this.closed = true;
        note(`closed with ${code}`);
      },
    });
  }

  #received(each: FrameView): void {
    const { kindNumber: kind, callIdNumber: callId, sequenceNumber: sequence, payloadStart, payloadEnd } = each;
    const size = payloadEnd - payloadStart;
    // A link that was agreed to be of version 1 takes a hello for a frame without a handler: what it says counts for nothing.
    if (each.version > 1 && size > this.#maxPayload)
      this.broken.push(`sent a payload of ${size} bytes, kind ${kind}; the limit is ${this.#maxPayload}`);
    if (kind >= FrameKind.FRAME_KIND_WELCOME && size > MIN_MAX_PAYLOAD) this.broken.push(`sent ${size} bytes in a frame of kind ${kind}`);
    if (sequence > this.#memory.received) this.#memory.received = sequence;
    if (kind === FrameKind.FRAME_KIND_REQUEST && callId !== 0) this.#others.push(callId);
    if (kind === FrameKind.FRAME_KIND_WELCOME) {
      const { checksumSeed, token } = Welcome.decode(each.payload);
      if (token.length > 0) this.#memory.token = token.slice();
      this.#decoder.update({ checksumSeed, minVersion: 2 });
    } else if (kind === FrameKind.FRAME_KIND_HELLO) {
      this.#decoder.update({ checksumSeed: Hello.decode(each.payload).checksumSeed, minVersion: 2 });
      if (!this.#greeted) this.#answerHello();
    }
  }

  /** The first frame of a client: mostly a hello. */
  begin(): void {
    const random = this.#random;
    const memory = this.#memory;
    if (random.oneIn(25)) return this.#write(random.bytes(random.from(1, 100)), "noise for a hello");
    if (random.oneIn(25)) return this.#write(anyFrame(random, uint32(random)), "another frame for a hello");
    if (random.oneIn(12)) return this.#write(v1(257, bytes(random)), "a version 1 frame");
    if (random.oneIn(40)) return this.#note("says nothing");
    const asked = memory.token.length > 0 && !random.oneIn(4);
    memory.attempt += random.pick([0, 1, 1, 1]);
    const { token, received, attempt } = memory;
    this.#greet(hello(random, asked || random.oneIn(8) ? resume(random, token, received, attempt) : undefined), FrameKind.FRAME_KIND_HELLO);
  }

  #answerHello(): void {
    const random = this.#random;
    this.#greeted = true;
    if (random.oneIn(20)) return this.#write(random.bytes(random.from(1, 100)), "noise for a welcome");
    if (random.oneIn(20)) return this.#write(anyFrame(random, uint32(random)), "another frame for a welcome");
    if (random.oneIn(20)) return this.#sendFrame(0, goaway(random), { kind: FrameKind.FRAME_KIND_GOAWAY }, "a goaway for a welcome");
    if (random.oneIn(30)) return this.#note("says nothing");
    this.#greet(welcome(random, random.from(0, 3)), FrameKind.FRAME_KIND_WELCOME);
  }

  #greet(greeting: Greeting, kind: FrameKind): void {
    this.#greeted = true;
    const random = this.#random;
    const odd = random.oneIn(20) ? { callId: uint32(random), ack: uint64(random), status: uint32(random), ext: ext(random) } : {};
    // On a link of version 1 a hello is an error, and nothing that it says holds.
    const told = this.#transport.info.protocol === 1 ? 0 : toldMaxPayload(greeting.payload, kind);
    this.#maxPayload = Math.max(told || DEFAULT_MAX_PAYLOAD, MIN_MAX_PAYLOAD);
    this.#sendFrame(0, greeting.payload, { kind, ...odd }, kind === FrameKind.FRAME_KIND_HELLO ? "hello" : "welcome");
    this.#seed = greeting.seed;
  }

  /** Whether it breaks a rule here, as it does in one of `n` cases at its wildest. */
  #wild(n: number): boolean {
    return this.#random.oneIn(n * this.#rarer);
  }

  /** Does one thing. */
  act(): void {
    if (this.closed) return;
    const random = this.#random;
    const call = () =>
      this.#wild(4)
        ? random.pick([0, this.#nextCall, uint32(random)])
        : random.pick([...this.#own.slice(-3), ...this.#others.slice(-3), 0]);
    const sequenced = () => ({ sequence: this.#wild(20) ? uint64(random) : this.#sequence++ });
    const send = (cmd: number, payload: Uint8Array | undefined, fields: TrailerFields, what: string) =>
      this.#sendFrame(cmd, payload, this.#wild(12) ? { ...fields, ack: uint64(random) } : fields, what);
    switch (random.from(0, 24)) {
      case 0:
      case 1:
      case 2:
        return send(261, message([length(1, text(random, 2000))], random), sequenced(), "a note");
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
      case 8: {
        const callId = this.#wild(10) ? uint32(random) : this.#nextCall;
        this.#nextCall += 2;
        this.#own.push(callId);
        const deadline = random.oneIn(3) ? { timeoutMs: uint32(random) } : {};
        const extra = random.oneIn(6) ? { ext: ext(random) } : {};
        const fields = { ...sequenced(), callId, kind: FrameKind.FRAME_KIND_REQUEST, ...deadline, ...extra };
        return send(random.pick([257, 257, 258, 259, 260, 262, 0x301, 0x302, 0x777]), this.#request(), fields, "a request");
      }
      case 9:
      case 10:
      case 11:
        return send(0, this.#request(), { ...sequenced(), callId: call(), kind: FrameKind.FRAME_KIND_ITEM }, "an item");
      case 12:
        return send(0, undefined, { ...sequenced(), callId: call(), kind: FrameKind.FRAME_KIND_END }, "an end");
      case 13: {
        const credit = message([number(1, random.oneIn(2) ? 1000 : uint32(random))], random);
        return send(0, credit, { ...sequenced(), callId: call(), kind: FrameKind.FRAME_KIND_CREDIT }, "credit");
      }
      case 14:
        return send(0, undefined, { ...sequenced(), callId: call(), kind: FrameKind.FRAME_KIND_CANCEL }, "a cancel");
      case 15: {
        const fields = { ...sequenced(), callId: call(), kind: FrameKind.FRAME_KIND_RESPONSE };
        const status = random.oneIn(2) ? { status: random.oneIn(2) ? random.from(0, 17) : uint32(random), ext: ext(random) } : {};
        return send(0, this.#request(), { ...fields, ...status }, "a response");
      }
      case 16: {
        const payload = random.oneIn(3) ? bytes(random) : undefined;
        return send(0, payload, { kind: random.pick([FrameKind.FRAME_KIND_PING, FrameKind.FRAME_KIND_PONG]) }, "a ping or pong");
      }
      case 17:
      case 18: {
        const ack = this.#wild(5) ? uint64(random) : this.#memory.received;
        return this.#sendFrame(0, undefined, { kind: FrameKind.FRAME_KIND_ACK, ack, ...(random.oneIn(3) ? { status: 15 } : {}) }, "an ack");
      }
      case 19:
        if (this.#wild(4)) send(0, goaway(random), { kind: FrameKind.FRAME_KIND_GOAWAY }, "a goaway");
        return;
      case 20:
        if (this.#wild(1)) this.#write(anyFrame(random, this.#seed ?? 0), "any frame");
        return;
      case 21:
        if (this.#wild(3)) this.#write(random.bytes(random.from(1, 60)), "noise");
        return;
      case 22: {
        if (!this.#wild(4)) return;
        const many = random.pick([3, 20, 200]);
        return this.#write(cat(...Array.from({ length: many }, () => anyFrame(random, this.#seed ?? 0))), `${many} frames together`);
      }
      case 23:
        this.#note("reads or pauses");
        return random.oneIn(3) ? this.#transport.pause() : this.#transport.resume();
      default:
        if (!random.oneIn(12)) return;
        this.#note("leaves");
        return random.oneIn(2) ? this.#transport.destroy() : this.#transport.close(random.pick([1000, 1001, 4000, 4999, 0, 70_000]), "bye");
    }
  }

  /** The payload of a request or an item: fields of every method of the service. */
  #request(): Uint8Array {
    const random = this.#random;
    if (random.oneIn(8)) return bytes(random, [0, 1, 40, 1024, 70_000]);
    if (random.oneIn(2))
      return message([number(1, random.oneIn(4) ? uint64(random) : random.from(0, 30)), number(2, random.from(0, 300))], random);
    return message([length(1, text(random, 2000)), number(2, random.pick([0, 0, 5, 500]))], random);
  }

  #sendFrame(cmd: number, payload: Uint8Array | undefined, fields: TrailerFields, what: string): void {
    this.#write(frame(cmd, payload, fields, this.#seed), what);
  }

  /** As one write or as several: on a transport with messages a frame cut in two is against the rules, and comes too. */
  #write(whole: Uint8Array, what: string): void {
    if (this.closed) return;
    this.frames++;
    const random = this.#random;
    const cut = random.oneIn(this.#transport.info.messages ? 6 * this.#rarer : 6) ? random.from(0, whole.length) : whole.length;
    this.#note(`${this.#role} sends ${what}, ${whole.length} bytes${cut < whole.length ? `, cut at ${cut}` : ""}`);
    if (cut > 0) this.#transport.write(whole.slice(0, cut));
    if (cut < whole.length && !this.#wild(20)) this.#transport.write(whole.slice(cut));
    if (this.#wild(100)) this.#transport.write(cat("08 F5", varint(uint32(random))));
  }

  /** Reads on, so that it hears of its end. */
  hear(): void {
    if (!this.closed) this.#transport.resume();
  }
}

/** The limit that a greeting tells, as its reader reads it. */
function toldMaxPayload(payload: Uint8Array, kind: FrameKind): number {
  try {
    return (kind === FrameKind.FRAME_KIND_HELLO ? Hello : Welcome).decode(payload).limits?.maxPayload ?? 0;
  } catch {
    return 0;
  }
}
