/** Two whole sessions, byte by byte. What a peer would have to guess from single frames: who says what, when, and sealed with which seed. */
import { littleEndian } from "../../helpers/oracle.js";
import { type Bytes, cat, open, seal, toHex, varint } from "../../helpers/wire-builder.js";

export const description = "Sessions: what goes over each connection, in order, with the reason for each frame";

export interface SessionFrame {
  readonly cmd: number;
  readonly payload?: string;
  readonly sequence?: number;
  readonly ack?: number;
  readonly callId?: number;
  readonly kind?: number;
  readonly status?: number;
  readonly timeoutMs?: number;
}

export interface SessionStep {
  /** Milliseconds since the start, on a network without delay. */
  readonly at: number;
  /** The connection, from 1. */
  readonly link: number;
  /** Absent: something happens to the connection. */
  readonly from?: "client" | "server";
  /** Of the sender, `null` for hello and welcome. */
  readonly seed?: number | null;
  readonly frame?: SessionFrame;
  readonly bytes?: string;
  /** What becomes of the bytes, if they do not arrive as they were sent: others, or none. */
  readonly arrives?: string;
  readonly why: string;
}

export interface SessionVector {
  readonly name: string;
  readonly clientSeed: number;
  readonly serverSeed: number;
  readonly token: string;
  readonly steps: readonly SessionStep[];
}

const CLIENT_SEED = 0x12345678;
const SERVER_SEED = 0x9abcdef0;
const TOKEN = toHex(Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i));
const [REQUEST, RESPONSE, HELLO, WELCOME, PING, PONG, ACK, GOAWAY] = [1, 2, 7, 8, 9, 10, 11, 12];
const DATA_LOSS = 15;
const [ECHO, NOTE] = [257, 261];

// Fields of the messages in session.proto.
const number = (field: number, value: number): Uint8Array => cat(varint(field << 3), varint(value));
const bytes = (field: number, value: Bytes): Uint8Array => cat(varint((field << 3) | 2), varint(cat(value).length), value);
const fixed = (field: number, value: number): Uint8Array => cat(varint((field << 3) | 5), littleEndian(value));
const text = (value: string): string => toHex(bytes(1, new TextEncoder().encode(value)));

const hello = (...more: Uint8Array[]): string => toHex(cat(number(1, 2), number(2, 2), fixed(3, CLIENT_SEED), ...more));
const welcome = (...more: Uint8Array[]): string =>
  toHex(cat(number(1, 2), fixed(2, SERVER_SEED), bytes(7, TOKEN), number(8, 120_000), ...more));

function encoded({ cmd, payload, sequence, ack, callId, kind, status, timeoutMs }: SessionFrame, seed: number | null): string {
  const field = (tag: string, value: number | undefined): Bytes => (value === undefined ? "" : cat(tag, varint(value)));
  const trailer = cat(
    field("38", sequence),
    field("40", ack),
    field("48", callId),
    field("50", kind),
    field("58", status),
    field("60", timeoutMs),
  );
  return toHex(seal(open({ ver: 2, cmd, ...(payload === undefined ? {} : { payload }), trailer }), seed ?? undefined));
}

function said(
  from: "client" | "server",
  at: number,
  link: number,
  frame: SessionFrame,
  why: string,
  arrives?: (bytes: string) => string,
): SessionStep {
  const greeting = frame.kind === HELLO || frame.kind === WELCOME;
  const seed = greeting ? null : from === "client" ? CLIENT_SEED : SERVER_SEED;
  const sent = encoded(frame, seed);
  return { at, link, from, seed, frame, bytes: sent, ...(arrives === undefined ? {} : { arrives: arrives(sent) }), why };
}
const client = (...step: [number, number, SessionFrame, string, ((bytes: string) => string)?]): SessionStep => said("client", ...step);
const server = (...step: [number, number, SessionFrame, string, ((bytes: string) => string)?]): SessionStep => said("server", ...step);

const again = { cmd: ECHO, payload: text("again"), sequence: 2, ack: 2, callId: 3, kind: RESPONSE } as const;
const resume = cat(bytes(1, TOKEN), number(2, 1), number(3, 2), number(5, 2));
const two = { cmd: NOTE, payload: text("two"), sequence: 2 } as const;
/** The last byte of the checksum, one bit of it flipped. */
const flipped = (sent: string): string => {
  const damaged = cat(sent);
  damaged[damaged.length - 1]! ^= 1;
  return toHex(damaged);
};

const facts = { clientSeed: CLIENT_SEED, serverSeed: SERVER_SEED, token: TOKEN };

export const cases: readonly SessionVector[] = [
  {
    name: "a session goes on over a second connection: a reply that was lost with the first is sent again",
    ...facts,
    steps: [
      client(
        0,
        1,
        { cmd: 0, payload: hello(), kind: HELLO },
        "Opens a session. Unseeded; everything the client sends after it has the seed 0x12345678.",
      ),
      server(
        0,
        1,
        { cmd: 0, payload: welcome(), kind: WELCOME },
        "A new session: verdict 0. The token names it, for 120 s after a connection has ended.",
      ),
      client(
        10,
        1,
        { cmd: ECHO, payload: text("hello"), sequence: 1, callId: 1, kind: REQUEST, timeoutMs: 30_000 },
        "A call, with 30 s to go. Kept until the server acknowledges 1.",
      ),
      server(
        10,
        1,
        { cmd: ECHO, payload: text("hello"), sequence: 1, ack: 1, callId: 1, kind: RESPONSE },
        "The reply, in the server's own sequence. Its ack lets the client drop the request.",
      ),
      client(
        20,
        1,
        { cmd: ECHO, payload: text("again"), sequence: 2, ack: 1, callId: 3, kind: REQUEST, timeoutMs: 30_000 },
        "The next call. Its ack lets the server drop the first reply.",
      ),
      server(20, 1, again, "The second reply, which the connection does not deliver any more.", () => ""),
      {
        at: 20,
        link: 1,
        why: "The connection is cut. The client has received 1 and keeps its frame 2; the server has received 2 and keeps its frame 2.",
      },
      client(
        1020,
        2,
        { cmd: 0, payload: hello(bytes(9, resume)), kind: HELLO },
        "Asks to go on: the token, received 1, oldest 2 (its frame 2 is not acknowledged), attempt 2. The seed may be the same or another.",
      ),
      server(
        1020,
        2,
        { cmd: 0, payload: welcome(number(9, 1), number(10, 2)), kind: WELCOME },
        "Verdict 1, resumed, and received 2: so the client drops its frame 2 and sends nothing again.",
      ),
      server(
        1020,
        2,
        again,
        "What the client has not got: everything after its received 1, before anything new. The seed is the same, and so are the bytes.",
      ),
      client(
        1045,
        2,
        { cmd: 0, ack: 2, kind: ACK },
        "Nothing went back for 25 ms, so an ack frame says what has come. The server drops its frame 2.",
      ),
      client(
        1050,
        2,
        { cmd: 0, payload: toHex(cat(text("the client was closed"), number(3, 1000))), kind: GOAWAY },
        "The client leaves for good: close code 1000. The server forgets the session.",
      ),
    ],
  },
  {
    name: "a damaged frame before a silence is asked for after 25 ms, and sent again",
    ...facts,
    steps: [
      client(0, 1, { cmd: 0, payload: hello(), kind: HELLO }, "Opens a session."),
      server(0, 1, { cmd: 0, payload: welcome(), kind: WELCOME }, "A new session."),
      client(10, 1, { cmd: NOTE, payload: text("one"), sequence: 1 }, "A message: kind 0 is left out."),
      server(35, 1, { cmd: 0, ack: 1, kind: ACK }, "Nothing went back for 25 ms: an ack frame. The client drops its frame 1."),
      client(
        50,
        1,
        two,
        "The next message. One bit of its checksum flips on the way; its last byte shows that. The server reports the damage at once, handles nothing, and does not know what it was.",
        flipped,
      ),
      server(
        75,
        1,
        { cmd: 0, ack: 1, kind: ACK, status: DATA_LOSS },
        "No frame with a sequence came for 25 ms: a request for everything after 1.",
      ),
      server(
        75,
        1,
        { cmd: 0, payload: "01", ack: 1, kind: PING },
        "A ping goes with it. Its pong shows that the request was read, so that it need not be repeated if nothing was lost.",
      ),
      client(75, 1, two, "Everything after 1 again, with the same sequence."),
      client(75, 1, { cmd: 0, payload: "01", kind: PONG }, "The pong. No ack on it: the server has sent nothing that has a sequence."),
      server(100, 1, { cmd: 0, ack: 2, kind: ACK }, "The frame has come, next in order. The client drops it."),
    ],
  },
];
