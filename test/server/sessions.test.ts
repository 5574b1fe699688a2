import { beforeEach, describe, expect, it } from "vitest";
import { LinkedList } from "../../src/runtime/linked-list.js";
import { InterruptedSessions } from "../../src/server/interrupted-sessions.js";
import { Ranking } from "../../src/server/ranking.js";
import { MemorySessionStore, newToken, type SessionDrop, type StoredSession } from "../../src/server/sessions.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { fc } from "../helpers/fast-check.js";
import { countSteps } from "./steps.js";

interface Session extends StoredSession {
  readonly name: string;
  heldBytes: number;
}

let clock: VirtualClock;
let dropped: string[];
beforeEach(() => {
  clock = new VirtualClock();
  dropped = [];
});

function store(limits: { maxSessions?: number; maxSessionBytes?: number } = {}): MemorySessionStore<Session> {
  const all = { resumeWindowMs: 1000, maxSessions: 3, maxSessionBytes: 1000, ...limits };
  return new MemorySessionStore<Session>(all, clock, ({ name }, why: SessionDrop) => dropped.push(`${name} ${why}`));
}

/** Adds a session to the store. */
function add(to: MemorySessionStore<Session>, name: string, heldBytes = 10, { address = "192.0.2.1", unused = false } = {}): Session {
  const session = { name, heldBytes, token: newToken(), address, unused };
  to.add(session);
  return session;
}

describe("a token", () => {
  it("finds its session and no other", () => {
    const sessions = store();
    const [a, b] = [add(sessions, "a"), add(sessions, "b")];
    expect(sessions.find(a.token.slice())).toBe(a);
    expect(sessions.find(b.token.slice())).toBe(b);
    expect(sessions.find(newToken())).toBeUndefined();
  });

  it("with any one bit changed finds nothing", () => {
    const sessions = store();
    const { token } = add(sessions, "a");
    for (let bit = 0; bit < token.length * 8; bit++) {
      const wrong = token.slice();
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(sessions.find(wrong)).toBeUndefined();
    }
  });

  it("of another length finds nothing", () => {
    const sessions = store();
    const { token } = add(sessions, "a");
    for (const length of [0, 1, 16, 31]) expect(sessions.find(token.subarray(0, length))).toBeUndefined();
    expect(sessions.find(Uint8Array.of(...token, 0))).toBeUndefined();
  });

  it("of a session that is over finds nothing", () => {
    const sessions = store();
    const a = add(sessions, "a");
    sessions.remove(a);
    expect(sessions.find(a.token)).toBeUndefined();
  });
});

describe("a session whose client is away", () => {
  it("is dropped after the window", async () => {
    const sessions = store();
    const a = add(sessions, "a");
    sessions.interrupted(a);
    await clock.advance(999);
    expect(sessions.find(a.token)).toBe(a);
    await clock.advance(1);
    expect(dropped).toEqual(["a expired"]);
    expect(sessions.find(a.token)).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  it("has a window of its own, and a whole new one each time", async () => {
    const sessions = store();
    const [a, b] = [add(sessions, "a"), add(sessions, "b")];
    sessions.interrupted(a);
    await clock.advance(600);
    sessions.interrupted(b);
    sessions.resumed(a);
    await clock.advance(300);
    sessions.interrupted(a);
    await clock.advance(699);
    expect(dropped).toEqual([]);
    await clock.advance(1);
    expect(dropped).toEqual(["b expired"]);
    await clock.advance(299);
    expect(sessions.find(a.token)).toBe(a);
    await clock.advance(1);
    expect(dropped).toEqual(["b expired", "a expired"]);
  });

  it("is kept without end while its client is there", async () => {
    const sessions = store();
    const a = add(sessions, "a");
    sessions.interrupted(a);
    sessions.resumed(a);
    await clock.advance(1_000_000);
    expect(sessions.find(a.token)).toBe(a);
  });
});

describe("the bounds", () => {
  it("in count: the session that has been away longest goes first, and is counted", () => {
    const sessions = store({ maxSessions: 2 });
    const all = ["a", "b", "c", "d"].map((name) => add(sessions, name));
    for (const session of all) sessions.interrupted(session);
    expect(dropped).toEqual(["a evicted", "b evicted"]);
    expect(sessions.counts).toEqual({ sessions: 2, interrupted: 2, interruptedBytes: 20, evicted: 2 });
  });

  it("in count: who came back is not the longest away any more", () => {
    const sessions = store({ maxSessions: 2 });
    const [a, b, c] = ["a", "b", "c"].map((name) => add(sessions, name)) as [Session, Session, Session];
    sessions.interrupted(a);
    sessions.interrupted(b);
    sessions.resumed(a);
    sessions.interrupted(a);
    sessions.interrupted(c);
    expect(dropped).toEqual(["b evicted"]);
  });

  it("in bytes: as many of those away longest go as it takes", () => {
    const sessions = store({ maxSessionBytes: 100 });
    sessions.interrupted(add(sessions, "a", 30));
    sessions.interrupted(add(sessions, "b", 30));
    sessions.interrupted(add(sessions, "c", 90));
    expect(dropped).toEqual(["a evicted", "b evicted"]);
    expect(sessions.counts.interruptedBytes).toBe(90);
  });

  it("in bytes: what comes in for a client that is away counts too", () => {
    const sessions = store({ maxSessionBytes: 100 });
    const [a, b] = [add(sessions, "a"), add(sessions, "b")];
    sessions.interrupted(a);
    sessions.interrupted(b);
    b.heldBytes = 90;
    sessions.grown(b);
    expect(dropped).toEqual([]);
    b.heldBytes = 91;
    sessions.grown(b);
    expect(dropped).toEqual(["a evicted"]);
    a.heldBytes = 5000;
    sessions.grown(a);
    expect(sessions.counts.interruptedBytes).toBe(91);
  });

  it("in bytes: a single session above them goes itself", () => {
    const sessions = store({ maxSessionBytes: 100 });
    sessions.interrupted(add(sessions, "a", 101));
    expect(dropped).toEqual(["a evicted"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("do not touch sessions whose clients are connected", () => {
    const sessions = store({ maxSessions: 0 });
    for (let i = 0; i < 100; i++) add(sessions, String(i), 1_000_000);
    expect(dropped).toEqual([]);
    expect(sessions.counts).toEqual({ sessions: 100, interrupted: 0, interruptedBytes: 0, evicted: 0 });
  });
});

describe("room is made fairly", () => {
  it("by the address with the most sessions: a crowd from one evicts none of the others", () => {
    const sessions = store({ maxSessions: 10 });
    for (let i = 0; i < 4; i++) sessions.interrupted(add(sessions, `good ${i}`, 10, { address: `192.0.2.${10 + (i >> 1)}` }));
    for (let i = 0; i < 1000; i++) sessions.interrupted(add(sessions, `crowd ${i}`, 10, { address: "192.0.2.1" }));
    expect(dropped.filter((name) => name.startsWith("good"))).toEqual([]);
    expect(sessions.counts).toMatchObject({ interrupted: 10, evicted: 994 });
  });

  it("whichever comes first: the crowd makes room for those who come later", () => {
    const sessions = store({ maxSessions: 10 });
    for (let i = 0; i < 10; i++) sessions.interrupted(add(sessions, `crowd ${i}`, 10, { address: "192.0.2.1" }));
    for (let i = 0; i < 4; i++) sessions.interrupted(add(sessions, `good ${i}`, 10, { address: `192.0.2.${10 + i}` }));
    expect(dropped).toEqual([0, 1, 2, 3].map((i) => `crowd ${i} evicted`));
  });

  it("by sessions in which nothing was ever sent, before others of the same address", () => {
    const sessions = store({ maxSessions: 3 });
    for (const [name, unused] of [
      ["used 1", false],
      ["unused 1", true],
      ["used 2", false],
      ["unused 2", true],
      ["used 3", false],
      ["used 4", false],
    ] as const) {
      sessions.interrupted(add(sessions, name, 10, { unused }));
    }
    expect(dropped).toEqual(["unused 1 evicted", "unused 2 evicted", "used 1 evicted"]);
  });

  it("by an address with a session in which nothing was sent, of two with as many sessions", () => {
    const sessions = store({ maxSessions: 2 });
    sessions.interrupted(add(sessions, "used", 10, { address: "192.0.2.1" }));
    sessions.interrupted(add(sessions, "unused", 10, { address: "192.0.2.2", unused: true }));
    sessions.interrupted(add(sessions, "last", 10, { address: "192.0.2.3" }));
    expect(dropped).toEqual(["unused evicted"]);
  });

  it("in bytes, by the address for which the most are kept", () => {
    const sessions = store({ maxSessions: 100, maxSessionBytes: 1000 });
    for (let i = 0; i < 20; i++) sessions.interrupted(add(sessions, `many ${i}`, 10, { address: "192.0.2.1" }));
    for (let i = 0; i < 10; i++) sessions.interrupted(add(sessions, `large ${i}`, 100, { address: "192.0.2.2" }));
    expect(dropped).toEqual(["large 0 evicted", "large 1 evicted"]);
    expect(sessions.counts.interruptedBytes).toBe(1000);
  });

  it("as a model that looks at all sessions would, whatever comes and goes", () => {
    interface Known {
      readonly session: Session;
      readonly since: number;
    }
    const step = fc.tuple(
      fc.constantFrom("interrupt", "resume", "grow"),
      fc.nat(11),
      fc.nat(3),
      fc.boolean(),
      fc.integer({ min: 0, max: 60 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const gone: string[] = [];
        const sessions = new MemorySessionStore<Session>(
          { resumeWindowMs: 1000, maxSessions: 4, maxSessionBytes: Number.POSITIVE_INFINITY },
          new VirtualClock(),
          ({ name }) => gone.push(name),
        );
        let waiting: Known[] = [];
        const expected: string[] = [];
        const all = new Map<number, Session>();
        let now = 0;
        for (const [what, number, at, unused, bytes] of steps) {
          now++;
          const known = all.get(number);
          if (what === "interrupt") {
            const session = known ?? add(sessions, String(number), bytes, { address: `192.0.2.${at}`, unused });
            all.set(number, session);
            sessions.interrupted(session);
            waiting = [...waiting.filter((each) => each.session !== session), { session, since: now }];
            if (waiting.length > 4) {
              const count = ({ session: { address } }: Known) => waiting.filter((each) => each.session.address === address).length;
              const most = Math.max(...waiting.map(count));
              const candidates = waiting.filter((each) => count(each) === most);
              const idle = candidates.filter((each) => each.session.unused);
              const victims = idle.length > 0 ? idle : candidates;
              // Of addresses that are alike any may be chosen; within one, the longest away.
              const named = gone.at(-1) as string;
              const victim = victims.find((each) => each.session.name === named);
              expect(victim).toBeDefined();
              const sameAddress = victims.filter((each) => each.session.address === victim!.session.address);
              expect(sameAddress[0]).toBe(victim);
              expected.push(named);
              waiting = waiting.filter((each) => each !== victim);
              all.delete(Number(named));
            }
          } else if (known !== undefined && what === "resume") {
            sessions.resumed(known);
            waiting = waiting.filter((each) => each.session !== known);
          } else if (known !== undefined) {
            known.heldBytes = bytes;
            sessions.grown(known);
          }
          expect(gone).toEqual(expected);
          expect(sessions.counts).toMatchObject({
            interrupted: waiting.length,
            interruptedBytes: waiting.reduce((sum, { session }) => sum + session.heldBytes, 0),
          });
        }
      }),
    );
  });

  it("in a number of steps that does not grow with the sessions or their addresses", () => {
    /** The most steps that one interruption takes which evicts another session, and one that grows, resumes or ends. */
    function steps(count: number, addressOf: (i: number) => number): number[] {
      const sessions = store({ maxSessions: count, maxSessionBytes: count * 100 });
      const all: Session[] = [];
      const next = (heldBytes = 100) => {
        const session = add(sessions, "", heldBytes, { address: `address ${addressOf(all.length)}`, unused: all.length % 3 === 0 });
        all.push(session);
        return session;
      };
      const counted = (run: () => void) => countSteps([LinkedList.prototype, Ranking.prototype, InterruptedSessions.prototype], run);
      while (all.length < count) sessions.interrupted(next());
      const most = (run: () => void) => Math.max(...Array.from({ length: 20 }, () => counted(run)));
      const evicting = most(() => sessions.interrupted(next()));
      const byBytes = most(() => sessions.interrupted(next(150)));
      const latest = () => all.pop() as Session;
      const growing = most(() => sessions.grown(all.at(-1) as Session));
      const resumed = most(() => sessions.resumed(latest()));
      const removed = most(() => sessions.remove(latest()));
      return [evicting, byBytes, growing, resumed, removed];
    }
    const SPREADS = {
      "ten addresses": (i: number) => i % 10,
      "an address each": (i: number) => i,
      "as many on each address as its number": (i: number) => Math.floor(Math.sqrt(2 * i)),
    };
    for (const [spread, addressOf] of Object.entries(SPREADS)) {
      const few = steps(200, addressOf);
      for (const [i, most] of steps(2_000, addressOf).entries()) expect(most, spread).toBeLessThanOrEqual(few[i]! + 10);
    }
  });
});
