/** Cases 701 to 749: servers whose sessions outlive their connection. docs/wire.md section 5.7. */
import type { Frame } from "../../codec/index.js";
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { type ResumeRequest, ResumeVerdict } from "../../gen/framewire/v1/session.js";
import type { Case } from "./case.js";
import { fresh } from "./cases-framing.js";
import { type Kit, needs, type OpenSettings } from "./kit.js";
import { COUNT, countRequest, data, echo, expectMarks, mark, SLEEP, sleepRequest } from "./service.js";
import { type KitSession, SILENT, UNIMPLEMENTED } from "./session.js";
import { expectSame, expectThat, NotApplicable } from "./verdict.js";

const REPLACED = closeCodeOf("session-replaced");
const { RESUME_VERDICT_RESUMED: RESUMED, RESUME_VERDICT_GAP: GAP, RESUME_VERDICT_REJECTED: REJECTED } = ResumeVerdict;

const attempts = new WeakMap<KitSession, number>();

/** Connects again and asks to go on with the session. The old link is cut, unless the case wants it alive. */
async function resume(
  kit: Kit,
  session: KitSession,
  wish: Partial<ResumeRequest> = {},
  { keepLink = false, ...settings }: OpenSettings & { keepLink?: boolean } = {},
): Promise<void> {
  const attempt = wish.attempt ?? (attempts.get(session) ?? 0) + 1;
  attempts.set(session, attempt);
  const { token = new Uint8Array(0) } = session.welcome ?? {};
  needs(token.length > 0, "it gives no token: it keeps no sessions");
  if (!keepLink) session.wire.cut();
  const oldest = session.kept[0]?.sequence ?? session.sent + 1;
  const hello = { resume: { token, received: BigInt(session.received), oldest: BigInt(oldest), restarted: false, ...wish, attempt } };
  await kit.reconnect(session, { ...settings, hello });
}

function expectVerdict(session: KitSession, expected: ResumeVerdict): void {
  expectSame("the verdict", expected, session.welcome?.verdict);
}

/** As a client does after the verdict resumed. */
function sendRest(session: KitSession): void {
  const received = Number(session.welcome?.received ?? 0n);
  session.kept = session.kept.filter(({ sequence }) => sequence > received);
  session.sendAgain(received);
}

/** What comes over a link, without what may differ when it is sent again. */
export const facts = (frames: readonly Frame[]) => frames.map(({ ack: _, timestamp: __, ...rest }) => rest);

/** Three echoes that are not acknowledged. */
export async function unacknowledged(kit: Kit): Promise<KitSession> {
  const session = await kit.session(SILENT);
  for (let i = 1; i <= 3; i++) await echo(session, data(i));
  return session;
}

export const RESUME: readonly Case[] = [
  {
    number: 701,
    name: "a session resumes over another connection, and the welcome says what was received",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 3; i++) await echo(session);
      await resume(kit, session);
      expectVerdict(session, RESUMED);
      expectSame("what it has received", 3n, session.welcome?.received);
      await echo(session);
    },
  },
  {
    number: 702,
    name: "frames that the client has not received are sent again after the welcome, in order, unchanged",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await unacknowledged(kit);
      const sent = session.inbox.filter(({ sequence = 0n }) => sequence > 1n);
      await resume(kit, session, { received: 1n });
      expectVerdict(session, RESUMED);
      await session.wire.wait("the sequences 2 and 3 again", () => session.repetitions.length >= 2 || undefined);
      await echo(session);
      expectSame("what was sent again", facts(sent), facts(session.repetitions));
    },
  },
  {
    number: 703,
    name: "frames that the client has received are not sent again",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await unacknowledged(kit);
      await resume(kit, session);
      expectVerdict(session, RESUMED);
      await echo(session);
      expectSame("what was sent again", [], facts(session.repetitions));
    },
  },
  {
    number: 704,
    name: "a call in flight is answered over the next connection",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(250));
      await echo(session);
      await resume(kit, session);
      expectVerdict(session, RESUMED);
      await session.reply(call, "Sleep");
    },
  },
  {
    number: 705,
    name: "frames that the client sends again are handled once, also those that were lost with the link",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await fresh(kit);
      session.send(mark(1));
      await session.wire.wait("an ack", () => session.acked === session.sent || undefined);
      // Written when there was no link any more.
      session.number(mark(2));
      await resume(kit, session);
      expectVerdict(session, RESUMED);
      expectSame("what it has received", BigInt(session.sent - 1), session.welcome?.received);
      sendRest(session);
      await expectMarks(session, [1, 2]);
    },
  },
  {
    number: 706,
    name: "an unknown token is rejected, and a new session begins",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const token = data(32);
      const resume = { token, received: 0n, oldest: 1n, restarted: false, attempt: 1 };
      const session = await kit.session({ hello: { resume } });
      expectVerdict(session, REJECTED);
      expectSame("what it has received", 0n, session.welcome?.received ?? 0n);
      await echo(session);
    },
  },
  {
    number: 707,
    name: "the newest connection has the session: the older one closes with session-replaced",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      const older = session.wire;
      await resume(kit, session, {}, { keepLink: true });
      expectVerdict(session, RESUMED);
      await older.waitForEnd(REPLACED);
      await echo(session);
    },
  },
  {
    number: 708,
    name: "a hello whose attempt is not above the highest of the last 60 s closes with session-replaced, and changes nothing",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      await resume(kit, session, { attempt: 7 });
      expectVerdict(session, RESUMED);
      const { wire, seed, welcome } = session;
      let verdict: number | undefined;
      await resume(kit, session, { attempt: 7 }, { keepLink: true }).then(
        () => {
          verdict = session.welcome?.verdict;
        },
        () => {},
      );
      expectSame("the verdict for a hello that comes too late", undefined, verdict);
      await session.wire.waitForEnd(REPLACED);
      session.attach(wire);
      session.seed = seed;
      session.welcome = welcome;
      await echo(session);
    },
  },
  {
    number: 709,
    name: "a client that claims to have received frames that were never sent is rejected",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      await resume(kit, session, { received: 1000n });
      expectVerdict(session, REJECTED);
      session.forget();
      await echo(session);
    },
  },
  {
    number: 710,
    name: "a session that its client has closed is dropped",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      if (!session.wire.messages) session.goaway({ closeCode: 1000 });
      session.wire.close(1000);
      // Its own half may stay open for a while.
      await session.wire.wait("an end", () => session.wire.ended, { anyEnd: true, timeoutMs: 200 }).catch(() => {});
      await resume(kit, session);
      expectVerdict(session, REJECTED);
      session.forget();
      await echo(session);
    },
  },
  {
    number: 711,
    name: "a session resumes repeatedly, also with the same seed",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 1; i <= 4; i++) {
        await echo(session);
        await resume(kit, session, {}, i % 2 === 0 ? { seed: session.seed } : {});
        expectVerdict(session, RESUMED);
        expectSame("what it has received", BigInt(i), session.welcome?.received);
      }
      await echo(session);
    },
  },
  {
    number: 712,
    name: "a client that no longer keeps the missing frames gets a gap or is rejected",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      await echo(session);
      session.number(mark(1));
      session.number(mark(2));
      session.kept = [];
      await resume(kit, session);
      const { verdict, toServer } = session.welcome ?? {};
      expectThat(verdict === GAP || verdict === REJECTED, "the verdict 2 or 3", String(verdict));
      if (verdict === REJECTED) session.forget();
      else expectSame("what is lost to the server", { from: 2n, to: 3n }, { from: toServer?.from, to: toServer?.to });
      await echo(session);
    },
  },
  {
    number: 713,
    name: "a client that has started anew gets a gap for what it had acknowledged, or is rejected",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 3; i++) await echo(session);
      session.ack();
      // Behind this the ack has been read.
      session.ping(data(1));
      await session.wire.wait("a pong", () => session.wire.frames.find(({ kind }) => kind === FrameKind.FRAME_KIND_PONG));
      await resume(kit, session, { restarted: true, received: 0n, oldest: 1n });
      const { verdict, toClient, received } = session.welcome ?? {};
      expectThat(verdict === GAP || verdict === REJECTED, "the verdict 2 or 3", String(verdict));
      if (verdict === REJECTED) session.forget();
      else {
        const came = { to: toClient?.to, reason: toClient?.reason, received };
        expectSame("the welcome", { to: 3n, reason: "acknowledged", received: 3n }, came);
      }
      await echo(session);
    },
  },
  {
    number: 714,
    name: "frames that still arrive over a replaced connection are ignored",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await fresh(kit);
      const older = { wire: session.wire, seed: session.seed };
      await resume(kit, session, {}, { keepLink: true });
      expectVerdict(session, RESUMED);
      // Without a sequence, so that nothing is missing.
      older.wire.send(session.seal(mark(1), older.seed));
      await expectMarks(session, []);
    },
  },
  {
    number: 715,
    name: "a client that has started anew gets nothing more of its streams",
    section: "5.7",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      const call = session.request(COUNT, countRequest(1000, 100));
      await session.wire.wait("six items of Count", () => {
        if (call.response?.status === UNIMPLEMENTED) throw new NotApplicable("the peer does not serve Count");
        return call.items.length >= 6 || undefined;
      });
      session.ack();
      session.ping(data(1));
      await session.wire.wait("a pong", () => session.wire.frames.find(({ kind }) => kind === FrameKind.FRAME_KIND_PONG));
      await resume(kit, session, { restarted: true, received: 0n, oldest: 1n });
      needs(session.welcome?.verdict !== REJECTED, "it does not go on with sessions whose clients have started anew");
      session.give(call, 100_000);
      await echo(session);
      expectSame("the items of a stream from before", 6, call.items.length);
    },
  },
];
