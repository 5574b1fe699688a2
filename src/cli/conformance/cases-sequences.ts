/** Cases 601 to 699: sequences, acknowledgements and sending again. docs/wire.md section 5.6. */
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import { fresh } from "./cases-framing.js";
import type { Kit } from "./kit.js";
import { data, ECHO, echo, echoRequest, expectMarks, mark } from "./service.js";
import { DATA_LOSS, type KitSession, SILENT } from "./session.js";
import { expectSame, expectThat } from "./verdict.js";

/** A request to send again comes within this time, in milliseconds: 25 after the damage, and as long again as a busy machine takes. */
const ASKED_MS = 1000;
const VIOLATION = closeCodeOf("protocol-violation");

/** Waits for a request to send again. */
function asked(session: KitSession): Promise<number> {
  return session.wire.wait("a request to send again: an ack frame with status 15", () => session.asks[0]);
}

/** A ping and its pong: everything before has been read, and nothing was sent that has a sequence. */
async function pingPong(session: KitSession): Promise<void> {
  const pongs = () => session.wire.frames.filter(({ kind }) => kind === FrameKind.FRAME_KIND_PONG);
  const before = pongs().length;
  session.ping(data(2));
  await session.wire.wait("a pong", () => pongs()[before]);
}

/** Damages one byte of a frame and is silent: what is missing must be asked for. */
async function expectAsked(kit: Kit, byteOf: (frame: Uint8Array) => number): Promise<void> {
  const session = await fresh(kit);
  const damaged = session.seal(session.number(mark(1)));
  const at = byteOf(damaged);
  damaged[at] = (damaged[at] as number) ^ 0x40;
  session.wire.send(damaged);
  const ask = () => session.asks[0];
  const expected = "a request to send again: an ack frame with status 15";
  await session.wire.wait(expected, ask, { timeoutMs: Math.min(kit.timeoutMs, ASKED_MS) });
  await expectMarks(session, [1]);
}

export const SEQUENCES: readonly Case[] = [
  {
    number: 601,
    name: "the peer's sequences count from 1, one by one",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 5; i++) await echo(session);
      const came = session.inbox.flatMap(({ sequence = 0n }) => (sequence > 0n ? [Number(sequence)] : []));
      expectSame("the sequences", [1, 2, 3, 4, 5], came);
    },
  },
  {
    number: 602,
    name: "received frames are acknowledged even if nothing else goes back",
    section: "5.6",
    run: async (kit) => {
      const session = await kit.session();
      for (let number = 1; number <= 3; number++) session.send(mark(number));
      await session.wire.wait("an ack of 3", () => session.acked === 3 || undefined, { timeoutMs: 1000 });
    },
  },
  {
    number: 603,
    name: "a repetition is handled once",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await fresh(kit);
      const first = session.seal(session.number(mark(1)));
      session.wire.send(first);
      session.wire.send(first);
      session.send(mark(2));
      session.wire.send(first);
      await expectMarks(session, [1, 2]);
    },
  },
  {
    number: 604,
    name: "frames after a missing one are handled only after it, in order",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await fresh(kit);
      const lost = session.number(mark(1));
      session.send(mark(2));
      session.send(mark(3));
      expectSame("the ack of the request to send again", (lost.sequence as number) - 1, await asked(session));
      await expectMarks(session, [1, 2, 3]);
    },
  },
  {
    number: 605,
    name: "lost frames are requested once, not for each frame that comes too early",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session({ resends: false });
      await echo(session);
      session.number(mark(1));
      const startedAt = performance.now();
      for (let number = 2; number < 40; number++) session.send(mark(number));
      await asked(session);
      await pingPong(session);
      // It asks again after 100 ms at the earliest, which may have passed on a busy machine.
      const allowed = 1 + Math.floor((performance.now() - startedAt) / 100);
      expectThat(session.asks.length <= allowed, `the requests to send again to be ${allowed} at most`, String(session.asks.length));
      session.sendAgain(session.acked);
      await echo(session);
    },
  },
  {
    number: 606,
    name: "a request for lost frames that is not answered is repeated",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session({ resends: false });
      await echo(session);
      session.number(mark(1));
      session.send(mark(2));
      await asked(session);
      const again = () => session.asks[1];
      await session.wire.wait("a second request to send again", again, { timeoutMs: Math.max(kit.timeoutMs, 4000) });
      session.sendAgain(session.acked);
      await echo(session);
    },
  },
  {
    number: 607,
    name: "a request for a resend is answered with every frame after the ack, in order, unchanged",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session(SILENT);
      for (let i = 1; i <= 5; i++) await echo(session, data(i));
      const sent = session.inbox.filter(({ sequence = 0n }) => sequence > 2n);
      session.ack({ ack: 2, status: DATA_LOSS });
      await session.wire.wait("the sequences 3 to 5 again", () => session.repetitions.length >= 3 || undefined);
      await pingPong(session);
      const facts = (frames: typeof sent) => frames.map(({ ack: _, timestamp: __, ...rest }) => rest);
      expectSame("what was sent again", facts(sent), facts(session.repetitions));
      session.acks = true;
      await echo(session);
    },
  },
  {
    number: 608,
    name: "acknowledged frames are not sent again",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 4; i++) await echo(session);
      session.ack({ status: DATA_LOSS });
      await pingPong(session);
      expectSame("what was sent again", [], session.repetitions);
    },
  },
  {
    number: 609,
    name: "an ack above the highest sequence sent closes with protocol-violation",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      session.ack({ ack: session.received + 1 });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 610,
    name: "an ack below an earlier one has no effect",
    section: "5.6",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 4; i++) await echo(session);
      session.ack({ ack: 1 });
      session.ack({ ack: 0 });
      await echo(session);
      expectSame("what was sent again", [], session.repetitions);
    },
  },
  {
    number: 611,
    name: "a sequence of 0 counts as none",
    section: "5.6",
    run: async (kit) => {
      const session = await fresh(kit);
      session.write({ ...mark(1), sequence: 0 });
      session.send(mark(2));
      await expectMarks(session, [1, 2]);
    },
  },
  {
    number: 612,
    name: "a frame without sequence is handled when it arrives",
    section: "5.6",
    run: async (kit) => {
      const session = await fresh(kit);
      session.write(mark(1));
      const call = session.newCall(ECHO);
      session.write({ cmd: ECHO, payload: echoRequest(data(3)), kind: FrameKind.FRAME_KIND_REQUEST, callId: call.id });
      await session.reply(call, "Echo");
      await expectMarks(session, [1]);
    },
  },
  {
    number: 613,
    name: "a sequence above 2^53 - 1 closes with protocol-violation",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session();
      session.write({ ...mark(1), sequence: 2n ** 53n });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 614,
    name: "acks are on frames that go back, and are never above what was received",
    section: "5.6",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 10; i++) await echo(session);
      await session.wire.wait("an ack of 10", () => session.acked === 10 || undefined, { timeoutMs: 1000 });
      const acks = session.inbox.flatMap(({ ack }) => (ack === undefined ? [] : [Number(ack)]));
      expectThat(
        acks.every((ack, i) => i === 0 || ack >= (acks[i - 1] as number)),
        "acks that only grow",
        acks.join(", "),
      );
    },
  },
  {
    number: 615,
    name: "a damaged frame is requested again even if no frame follows it",
    section: "5.6",
    full: true,
    run: (kit) => expectAsked(kit, (frame) => frame.length - 1),
  },
  {
    number: 616,
    name: "a frame with a damaged magic is requested again even if no frame follows it",
    section: "5.6",
    full: true,
    run: (kit) => expectAsked(kit, () => 3),
  },
  {
    number: 617,
    name: "a request to resend acknowledged frames closes with resend-impossible",
    section: "5.6",
    full: true,
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 4; i++) await echo(session);
      session.ack();
      session.ack({ ack: 1, status: DATA_LOSS });
      await session.wire.waitForEnd(closeCodeOf("resend-impossible"));
    },
  },
];
