/** Cases 751 to 799: clients whose sessions outlive their connection. docs/wire.md section 5.7. */
import { ResumeVerdict } from "../../gen/framewire/v1/session.js";
import type { Case } from "./case.js";
import { fresh } from "./cases-framing.js";
import { facts, unacknowledged } from "./cases-resume.js";
import type { Kit } from "./kit.js";
import { data, ECHO, echo, echoRequest, expectMarks, mark, SLEEP, sleepRequest } from "./service.js";
import type { KitSession } from "./session.js";
import { expectSame, expectThat } from "./verdict.js";

const { RESUME_VERDICT_RESUMED: RESUMED, RESUME_VERDICT_GAP: GAP, RESUME_VERDICT_REJECTED: REJECTED } = ResumeVerdict;

/** Cuts the link, and goes on when the client has come again. */
async function comeAgain(kit: Kit, session: KitSession, received = session.received): Promise<void> {
  const token = session.welcome?.token ?? new Uint8Array(0);
  session.wire.cut();
  await kit.reconnect(session, {
    welcome: ({ resume }) => {
      expectThat(resume !== undefined, "a hello that asks to resume", "one that does not");
      expectSame("its token", token, resume?.token);
      return { verdict: RESUMED, received: BigInt(received), token };
    },
  });
  const theirs = Number(session.hello?.resume?.received ?? 0n);
  session.kept = session.kept.filter(({ sequence }) => sequence > theirs);
  session.sendAgain(theirs);
}

export const CLIENT_RESUME: readonly Case[] = [
  {
    number: 751,
    name: "a client asks to resume with its token, the sequence it has received, and a growing attempt",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await kit.session();
      let before = 0;
      for (let i = 1; i <= 3; i++) {
        await echo(session);
        await comeAgain(kit, session);
        const { received, attempt = 0 } = session.hello?.resume ?? {};
        expectSame("what it has received", BigInt(i), received);
        expectThat(attempt === 0 || attempt > before, `an attempt above ${before}, or 0`, String(attempt));
        before = attempt;
      }
      await echo(session);
    },
  },
  {
    number: 752,
    name: "frames that the server has not received are sent again, in order, unchanged",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await unacknowledged(kit);
      const sent = session.inbox.filter(({ sequence = 0n }) => sequence > 1n);
      await comeAgain(kit, session, 1);
      expectSame("the oldest that it can send again", 1n, session.hello?.resume?.oldest);
      await session.wire.wait("the sequences 2 and 3 again", () => session.repetitions.length >= 2 || undefined);
      await echo(session);
      expectSame("what was sent again", facts(sent), facts(session.repetitions));
    },
  },
  {
    number: 753,
    name: "frames that the server has received are not sent again",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await unacknowledged(kit);
      await comeAgain(kit, session);
      await echo(session);
      expectSame("what was sent again", [], facts(session.repetitions));
    },
  },
  {
    number: 754,
    name: "a call in flight is answered over the next connection",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(300));
      await echo(session);
      await comeAgain(kit, session);
      await session.reply(call, "Sleep");
    },
  },
  {
    number: 755,
    name: "after the verdict rejected all counts start again",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await unacknowledged(kit);
      session.wire.cut();
      session.forget();
      session.acks = true;
      await kit.reconnect(session, { welcome: () => ({ verdict: REJECTED }) });
      for (let i = 0; i < 3; i++) await echo(session);
      expectSame("the last sequence", 3, session.received);
    },
  },
  {
    number: 756,
    name: "after a gap the client continues with the frames that follow it",
    section: "5.7",
    peer: "client",
    run: async (kit) => {
      const session = await fresh(kit);
      const { token = data(1) } = session.welcome ?? {};
      const lost = [mark(1), mark(2)].map((each) => session.number(each).sequence as number);
      session.kept = [];
      session.wire.cut();
      const toClient = { from: BigInt(lost[0] as number), to: BigInt(lost[1] as number), reason: "evicted" };
      await kit.reconnect(session, { welcome: () => ({ verdict: GAP, received: BigInt(session.received), token, toClient }) });
      session.send(mark(3));
      await expectMarks(session, [3]);
    },
  },
  {
    number: 757,
    name: "a client that asks to resume waits for the welcome before it sends anything else",
    section: "5.7",
    peer: "client",
    advice: true,
    run: async (kit) => {
      const session = await kit.session();
      session.request(SLEEP, sleepRequest(50));
      session.request(ECHO, echoRequest(data(3)));
      session.wire.cut();
      const wire = await kit.link(2);
      await wire.wait("a hello", () => wire.frames[0]);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expectSame("the frames before the welcome", 1, wire.frames.length + wire.violations.length);
    },
  },
];
