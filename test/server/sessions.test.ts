import { beforeEach, describe, expect, it } from "vitest";
import { MemorySessionStore, newToken, type SessionDrop, type StoredSession } from "../../src/server/sessions.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";

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
function add(to: MemorySessionStore<Session>, name: string, heldBytes = 10): Session {
  const session = { name, heldBytes, token: newToken() };
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
