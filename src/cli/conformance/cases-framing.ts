/** Cases 101 to 199: frames in a session, whole and damaged. docs/wire.md sections 2 to 4. */
import { crc32, encodeFrame, type FrameInit } from "../../codec/index.js";
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import { type Kit, needs } from "./kit.js";
import { clearMarks, data, ECHO, echo, echoRequest, expectMarks, mark } from "./service.js";
import type { KitCall, KitSession } from "./session.js";
import { expectSame } from "./verdict.js";

/** The longest trailer that the kit writes, in bytes. */
const MOST_TRAILER = 64 * 1024;

/** A session whose peer remembers nothing. */
export async function fresh(kit: Kit): Promise<KitSession> {
  const session = await kit.session();
  await clearMarks(session);
  return session;
}

/** An echo's request as bytes, and its call. */
function echoFrame(session: KitSession, bytes = data(10), extra: Partial<FrameInit> = {}): { call: KitCall; bytes: Uint8Array } {
  const call = session.newCall(ECHO);
  const frame = session.number({
    cmd: ECHO,
    payload: echoRequest(bytes),
    kind: FrameKind.FRAME_KIND_REQUEST,
    callId: call.id,
    ...extra,
  });
  return { call, bytes: session.seal(frame) };
}

/** Puts `fields` in front of the checksum of a sealed frame, and seals it again. */
function withTrailer(session: KitSession, frame: Uint8Array, fields: readonly number[]): Uint8Array {
  return resealed(session, Uint8Array.of(...frame.subarray(0, -5), ...fields, 0x7d, 0, 0, 0, 0));
}

/** The frame with the checksum that its bytes ask for. */
function resealed(session: KitSession, frame: Uint8Array): Uint8Array {
  const covered = new Uint8Array(frame.length - 1);
  new DataView(covered.buffer).setUint32(0, session.seed, true);
  covered.set(frame.subarray(0, -5), 4);
  const sealed = frame.slice();
  new DataView(sealed.buffer).setUint32(frame.length - 4, crc32(covered), true);
  return sealed;
}

/** Sends a mark that nobody should handle, with nothing lost by it: it has no sequence. */
async function expectRefused(kit: Kit, damaged: (session: KitSession) => Uint8Array): Promise<void> {
  const session = await fresh(kit);
  session.wire.send(damaged(session));
  session.send(mark(2));
  await expectMarks(session, [2]);
}

const concat = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

export const FRAMING: readonly Case[] = [
  {
    number: 101,
    name: "a frame that comes byte by byte is read",
    section: "4.1",
    over: "tcp",
    run: async (kit) => {
      const session = await kit.session();
      const { call, bytes } = echoFrame(session);
      await session.wire.sendInPieces(bytes, 1);
      await session.reply(call, "Echo");
    },
  },
  {
    number: 102,
    name: "several frames in one piece are all read",
    section: "4.1",
    run: async (kit) => {
      const session = await kit.session({ batching: true });
      needs(!session.wire.messages || session.wire.batching, "the peer does not announce `batching`");
      await clearMarks(session);
      const marks = [1, 2, 3, 4, 5].map((number) => session.seal(session.number(mark(number))));
      const last = echoFrame(session);
      session.wire.send(concat(...marks, last.bytes));
      await session.reply(last.call, "Echo");
      await expectMarks(session, [1, 2, 3, 4, 5]);
    },
  },
  {
    number: 103,
    name: "frames that are cut anywhere are read",
    section: "4.1",
    over: "tcp",
    run: async (kit) => {
      const session = await fresh(kit);
      const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
      const bytes = concat(...numbers.map((number) => session.seal(session.number(mark(number)))));
      await session.wire.sendInPieces(bytes, 47);
      await expectMarks(session, numbers);
    },
  },
  {
    number: 111,
    name: "garbage loses no frame after it",
    section: "4.1",
    run: async (kit) => {
      const session = await fresh(kit);
      session.wire.send(Uint8Array.of(0x00, 0xff, 0x08, 0xf5, 0xf9, 0x2a, 0x00));
      session.send(mark(1));
      await expectMarks(session, [1]);
    },
  },
  {
    number: 112,
    name: "a frame with a wrong checksum is not handled, and is requested again",
    section: "3",
    full: true,
    run: async (kit) => {
      const session = await fresh(kit);
      const damaged = session.seal(session.number(mark(1)));
      damaged[damaged.length - 1] = (damaged[damaged.length - 1] as number) ^ 0x40;
      session.wire.send(damaged);
      session.send(mark(2));
      await session.wire.wait("a request to send again: an ack frame with status 15", () => session.asks[0]);
      await expectMarks(session, [1, 2]);
    },
  },
  {
    number: 113,
    name: "a frame without the session's seed is not handled",
    section: "5.2",
    run: (kit) => expectRefused(kit, () => encodeFrame({ version: 2, ...mark(1) })),
  },
  {
    number: 114,
    name: "a frame with another seed is not handled",
    section: "5.2",
    run: (kit) => expectRefused(kit, (session) => session.seal(mark(1), (session.seed ^ 0x0100_0000) >>> 0)),
  },
  {
    number: 115,
    name: "a frame of version 1 is not handled",
    section: "5.2",
    run: (kit) => expectRefused(kit, () => encodeFrame(mark(1))),
  },
  {
    number: 116,
    name: "a frame whose two lengths differ is not handled",
    section: "2",
    run: (kit) =>
      expectRefused(kit, (session) => {
        const frame = session.seal(mark(1));
        frame[7] = (frame[7] as number) + 1;
        return resealed(session, frame);
      }),
  },
  {
    number: 117,
    name: "a frame with trailer fields out of order is not handled",
    section: "2",
    // Field 13 in front of field 10.
    run: (kit) => expectRefused(kit, (session) => withTrailer(session, session.seal(mark(1)), [0x6a, 0x00, 0x50, 0x00])),
  },
  {
    number: 118,
    name: "a damaged frame that claims too many bytes loses none of the frames that it covers",
    section: "4.1",
    run: async (kit) => {
      const session = await fresh(kit);
      const whole = session.seal({ cmd: 65286, payload: new Uint8Array(250) });
      // Its head and a little more; the rest is never sent.
      session.wire.send(whole.subarray(0, 20));
      const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
      for (const number of numbers) session.send(mark(number));
      await expectMarks(session, numbers);
    },
  },
  {
    number: 119,
    name: "a frame inside a payload is payload",
    section: "4.4",
    run: async (kit) => {
      const session = await fresh(kit);
      await echo(session, concat(data(3), session.seal(mark(1)), encodeFrame(mark(2)), data(3)));
      await expectMarks(session, []);
    },
  },
  {
    number: 121,
    name: "trailer fields of another wire type are skipped",
    section: "2",
    run: async (kit) => {
      const session = await kit.session();
      const { call, bytes } = echoFrame(session);
      // Field 11 as 4 bytes, 12 as bytes, 13 as 8 bytes, 14 as a varint.
      const fields = [0x5d, 1, 2, 3, 4, 0x62, 2, 7, 7, 0x69, 1, 2, 3, 4, 5, 6, 7, 8, 0x70, 5];
      session.wire.send(withTrailer(session, bytes, fields));
      await session.reply(call, "Echo");
    },
  },
  {
    number: 122,
    name: "varints in the trailer need not be minimal",
    section: "2",
    run: async (kit) => {
      const session = await kit.session();
      const { call, bytes } = echoFrame(session);
      // Field 12, timeout_ms: 1000 in four bytes.
      session.wire.send(withTrailer(session, bytes, [0x60, 0xe8, 0x87, 0x80, 0x00]));
      await session.reply(call, "Echo");
    },
  },
  {
    number: 123,
    name: "a trailer of 1,000 bytes is read",
    section: "2",
    run: async (kit) => {
      const session = await kit.session();
      const { call, bytes } = echoFrame(session, data(10), { trace: "x".repeat(980) });
      session.wire.send(bytes);
      await session.reply(call, "Echo");
    },
  },
  {
    number: 124,
    name: "an empty payload may be written or left out",
    section: "2",
    run: async (kit) => {
      const session = await kit.session();
      for (const payload of [new Uint8Array(0), undefined]) {
        const reply = await session.unary(ECHO, payload, "Echo");
        expectSame("the echo of nothing", 0, reply.length);
      }
    },
  },
  {
    number: 131,
    name: "a payload as large as the peer allows is read",
    section: "5.2",
    run: async (kit) => {
      const limits = { maxPayload: 16 * 1024 * 1024 };
      const session = await kit.session({ limits });
      const { maxPayload } = session.peerLimits;
      needs(maxPayload <= limits.maxPayload, `it allows ${maxPayload} bytes; the kit goes to ${limits.maxPayload}`);
      // The tag and the length of the one field.
      const head = 1 + Math.ceil(Math.log2(maxPayload + 1) / 7);
      const bytes = data(maxPayload - head);
      expectSame("the kit's payload", maxPayload, echoRequest(bytes).length);
      await echo(session, bytes);
    },
  },
  {
    number: 132,
    name: "a larger payload closes the connection with frame-too-large, at its head",
    section: "5.2",
    run: async (kit) => {
      const session = await kit.session();
      const { maxPayload } = session.peerLimits;
      const head = encodeFrame({ version: 2, cmd: ECHO, payload: new Uint8Array(maxPayload + 1) }, { maxPayload: 0x7fff_ffff });
      // On WebSocket the whole message: its length is known before.
      session.wire.send(session.wire.messages ? head : head.subarray(0, 40));
      await session.wire.waitForEnd(closeCodeOf("frame-too-large"));
    },
  },
  {
    number: 133,
    name: "no payload above the kit's own limit is sent",
    section: "5.2",
    run: async (kit) => {
      const session = await kit.session({ limits: { maxPayload: 1500 } });
      const request = echoRequest(data(2000));
      // The reply cannot be sent; the call must end all the same, and the session goes on.
      const response = await session.response(session.request(ECHO, request), "a response with a status, as the reply is too large");
      expectSame("the response to be a failure", true, (response.status ?? 0) !== 0);
      await echo(session);
    },
  },
  {
    number: 134,
    name: "a length above the limit that the rest of the head contradicts is damage, and does not close the connection",
    section: "4.5",
    full: true,
    run: async (kit) => {
      const session = await fresh(kit);
      // LEN in four bytes, as of 134,217,727; N says what is there.
      const whole = session.seal(session.number(mark(1)));
      session.wire.send(concat(whole.subarray(0, 7), Uint8Array.of(0xff, 0xff, 0xff, 0x3f), whole.subarray(8)));
      session.send(mark(2));
      await expectMarks(session, [1, 2]);
    },
  },
  {
    number: 135,
    name: "a frame with a longer trailer than the peer allows is not handled",
    section: "2",
    run: async (kit) => {
      const session = await fresh(kit);
      const { maxTrailer } = session.peerLimits;
      needs(maxTrailer <= MOST_TRAILER, `it allows ${maxTrailer} bytes; the kit goes to ${MOST_TRAILER}`);
      session.wire.send(session.seal({ ...mark(1), trace: "x".repeat(maxTrailer) }));
      session.send(mark(2));
      await expectMarks(session, [2]);
    },
  },
];
