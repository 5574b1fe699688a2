import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Client, type ClientOptions, type ClientState, createClient, type StateDetail } from "../../src/client/index.js";
import { closeCodeOf, codeOfCloseCode, FramewireError } from "../../src/errors.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, ResumeVerdict, type Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { memoryPair } from "../../src/transport/memory.js";
import { NoteRequest } from "../gen/test/v1/test_service.js";
import { FakeServer } from "../helpers/fake-server.js";

const clients: Client[] = [];
afterEach(async () => {
  vi.unstubAllGlobals();
  for (const client of clients.splice(0)) await client.close();
});

/** A client of `server` on a clock of its own, and what it told of its states. */
function join(server: FakeServer, options: ClientOptions = {}) {
  const clock = new VirtualClock();
  const client = createClient("ws://fake", { connector: server.connector, logger: false, clock, random: () => 0.5, ...options });
  clients.push(client);
  const states: [ClientState, StateDetail][] = [];
  client.on("state", (state, detail) => states.push([state, detail]));
  return { client, clock, states };
}

/** What became of a promise so far. */
function watch(promise: Promise<unknown>): { outcome: string; error?: FramewireError } {
  const watched: { outcome: string; error?: FramewireError } = { outcome: "pending" };
  promise.then(
    () => {
      watched.outcome = "resolved";
    },
    (error) => {
      watched.outcome = error instanceof FramewireError ? error.code : `not ours: ${error}`;
      watched.error = error;
    },
  );
  return watched;
}

/** Brings a client into each state. */
const WAYS: Readonly<Record<ClientState, (bed: ReturnType<typeof join>, server: FakeServer) => Promise<void>>> = {
  disconnected: async () => {},
  connecting: async ({ client, clock }) => {
    client.connect().catch(() => {});
    await clock.runUntilIdle();
  },
  connected: async ({ client, clock }, server) => {
    client.connect().catch(() => {});
    await clock.runUntilIdle();
    server.last.welcome();
    await clock.runUntilIdle();
  },
  "retry-pending": async ({ client, clock }, server) => {
    client.connect().catch(() => {});
    await clock.runUntilIdle();
    server.last.close(1006);
    await clock.runUntilIdle();
  },
};

describe("an AbortSignal", () => {
  it("that was aborted before ends the client before it does anything", async () => {
    const server = new FakeServer();
    const { client, clock } = join(server, { signal: AbortSignal.abort("too late") });
    const connecting = watch(client.connect());
    const sending = watch(client.send(1, NoteRequest, {}));
    await clock.advance(60_000);
    expect(connecting).toMatchObject({ outcome: "connection-closed", error: { cause: "too late" } });
    expect(sending.outcome).toBe("connection-closed");
    expect([client.state, server.links.length, clock.pendingTimers]).toEqual(["disconnected", 0, 0]);
  });

  for (const [state, reach] of Object.entries(WAYS)) {
    it(`ends everything in the state ${state}: socket, timers, sends and its own listener`, async () => {
      const abort = new AbortController();
      const server = new FakeServer(() => {});
      const bed = join(server, { signal: abort.signal });
      await reach(bed, server);
      expect(bed.client.state).toBe(state);
      const waiting = state === "connected" ? undefined : watch(bed.client.send(1, NoteRequest, {}));
      abort.abort();
      await bed.clock.runUntilIdle();
      // A socket that was asked to close is given a moment to do so.
      await bed.clock.advance(10_000);
      expect([bed.client.state, server.open, bed.clock.pendingTimers]).toEqual(["disconnected", 0, 0]);
      expect(waiting?.outcome ?? "connection-closed").toBe("connection-closed");
      expect(getEventListeners(abort.signal, "abort")).toEqual([]);
      expect(watch(bed.client.connect())).toBeDefined();
      await bed.clock.advance(600_000);
      expect(server.links.length).toBe(state === "disconnected" ? 0 : 1);
    });
  }

  it("keeps no listener of a client that was closed", async () => {
    const abort = new AbortController();
    const { client } = join(new FakeServer(), { signal: abort.signal });
    await client.close();
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
  });
});

describe("an attempt", () => {
  it("asks for credentials anew", async () => {
    let asked = 0;
    const server = new FakeServer((link) => link.close(4500));
    const { client, clock } = join(server, { credentials: async () => `token ${++asked}` });
    watch(client.connect());
    await clock.advance(5000);
    expect(server.links.map(({ hello }) => new TextDecoder().decode(hello?.credentials))).toEqual(["token 1", "token 2", "token 3"]);
  });

  it("whose credentials never come ends at the deadline; what comes later opens nothing", async () => {
    const given: ((token: string) => void)[] = [];
    const server = new FakeServer();
    const { client, clock, states } = join(server, { credentials: () => new Promise((resolve) => given.push(resolve)) });
    watch(client.connect());
    await clock.advance(8000);
    expect(states.at(-1)).toMatchObject(["retry-pending", { error: { code: "handshake-timeout" } }]);
    given[0]!("late");
    await clock.runUntilIdle();
    expect(server.links).toEqual([]);
  });

  it("whose credentials are refused by the application itself is the last", async () => {
    const credentials = () => Promise.reject(new FramewireError("unauthenticated", "nobody is logged in"));
    const { client, clock } = join(new FakeServer(), { credentials });
    const connecting = watch(client.connect());
    await clock.advance(60_000);
    expect([connecting.outcome, client.state]).toEqual(["unauthenticated", "disconnected"]);
  });

  it("to an address of no known kind is the last", async () => {
    const client = createClient("ftp://host", { logger: false });
    await expect(client.connect()).rejects.toMatchObject({ code: "invalid-option" });
    expect(client.state).toBe("disconnected");
  });

  it("has one deadline for socket and handshake together", async () => {
    const server = new FakeServer(() => {});
    const { clock, client, states } = join(server, {
      connector: async (...given) => {
        await new Promise<void>((resolve) => void clock.setTimer(5000, resolve));
        return server.connector(...given);
      },
    });
    watch(client.connect());
    await clock.advance(7999);
    expect(states.length).toBe(1);
    await clock.advance(1);
    expect(states.at(-1)?.[1].error?.code).toBe("handshake-timeout");
    await clock.advance(100);
    // The server learns why.
    expect(server.links[0]?.closed?.code).toBe(4500);
  });

  it("that was given up has its socket destroyed when it opens after all, and never a second one is live (nats.ws#172)", async () => {
    const server = new FakeServer();
    const late: { open: () => void }[] = [];
    const { client, clock } = join(server, {
      // A connector that ignores its signal.
      connector: (...given) => new Promise<Transport>((resolve) => late.push({ open: () => resolve(server.connector(...given)) })),
    });
    watch(client.connect());
    await clock.advance(8000 + 1500);
    expect(late.length).toBe(2);
    late[1]!.open();
    await clock.runUntilIdle();
    late[0]!.open();
    await clock.runUntilIdle();
    expect([client.state, server.open]).toEqual(["connected", 1]);
    expect(server.links[1]?.hello).toBeUndefined();
  });
});

describe("a connection that ends", () => {
  const codes = Array.from({ length: 200 }, (_, i) => 4400 + i).filter((code) => codeOfCloseCode(code) !== undefined);

  // 4000 and 4399: an application's own (nyaruka/rapidpro#6836).
  it.each([4000, 4399, ...codes.filter((code) => code < 4500)])("with code %i is not tried again", async (code) => {
    const server = new FakeServer((link) => link.close(code, "because"));
    const { client, clock } = join(server);
    const connecting = watch(client.connect());
    await clock.advance(600_000);
    expect([client.state, server.links.length]).toEqual(["disconnected", 1]);
    const outcome = codeOfCloseCode(code) ?? "connection-closed";
    expect(connecting).toMatchObject({ outcome, error: { fault: "remote", message: "because" } });
  });

  it.each([1000, 1001, 1006, 1012, ...codes.filter((code) => code >= 4500)])("with code %i is tried again", async (code) => {
    const server = new FakeServer();
    const { client, clock, states } = join(server);
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    server.last.close(code);
    await clock.advance(2000);
    expect(states.map(([state]) => state)).toEqual(["connecting", "connected", "retry-pending", "connecting", "connected"]);
    expect(states[2]?.[1]).toMatchObject({ closeCode: code, delayMs: 1500, retries: 1 });
  });

  it("after a goaway is followed by a wait out of the server's spread, and a fresh count of retries", async () => {
    const server = new FakeServer();
    const { client, clock, states } = join(server);
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    const payload = Goaway.encode({ reason: "update", reconnectSpreadMs: 40_000, closeCode: 0 }).finish();
    server.last.send({ cmd: 0, kind: FrameKind.FRAME_KIND_GOAWAY, payload });
    await clock.advance(5000);
    expect(client.state).toBe("connected");
    server.last.close(closeCodeOf("going-away"));
    await clock.runUntilIdle();
    expect(states.at(-1)).toMatchObject(["retry-pending", { delayMs: 20_000, retries: 0 }]);
    await clock.advance(20_000);
    expect(client.state).toBe("connected");
  });

  it("late events of its socket change nothing for the next one (centrifuge-js#393)", async () => {
    const receivers: Parameters<Transport["open"]>[0][] = [];
    const server = new FakeServer();
    const { client, clock } = join(server, {
      connector: async (...given) => {
        const transport = await server.connector(...given);
        const open = transport.open.bind(transport);
        transport.open = (receiver) => {
          receivers.push(receiver);
          open(receiver);
        };
        return transport;
      },
    });
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    server.last.close(1006);
    await clock.advance(2000);
    expect([client.state, receivers.length]).toEqual(["connected", 2]);
    receivers[0]!.onClose(4400, "late");
    receivers[0]!.onData(Uint8Array.of(1, 2, 3));
    receivers[0]!.onDrain();
    await clock.advance(1000);
    expect([client.state, server.open, server.links.length]).toEqual(["connected", 1, 2]);
  });
});

describe("a welcome", () => {
  /** Connects, receives `received` messages and sends 3, breaks, and gets `said` as the second welcome. */
  async function resume(said: Partial<Welcome>) {
    const server = new FakeServer((link) => link.welcome(server.links.length === 1 ? {} : said));
    const bed = join(server);
    await Promise.all([bed.client.connect(), bed.clock.runUntilIdle()]);
    for (let i = 0; i < 3; i++) await bed.client.send(5, NoteRequest, { text: String(i) });
    for (let sequence = 1n; sequence <= 4n; sequence++) server.last.send({ cmd: 6, sequence, ack: 1n });
    await bed.clock.runUntilIdle();
    server.last.close(1006);
    await bed.clock.advance(2000);
    return { ...bed, server };
  }

  const RESUMED = { verdict: ResumeVerdict.RESUME_VERDICT_RESUMED };
  const GAP = { verdict: ResumeVerdict.RESUME_VERDICT_GAP };

  it("that resumes is answered with what the server lacks", async () => {
    const { server, states } = await resume({ ...RESUMED, received: 2n });
    expect(server.last.hello?.resume).toMatchObject({ received: 4n, oldest: 2n });
    expect(server.last.received.map(({ sequence }) => sequence).filter((sequence) => sequence > 0)).toEqual([3]);
    expect(states.at(-1)).toMatchObject(["connected", { resumed: true }]);
  });

  it.each<[string, Partial<Welcome>]>([
    ["more than was ever sent", { ...RESUMED, received: 4n }],
    ["2^64 - 1", { ...RESUMED, received: 2n ** 64n - 1n }],
    ["less than it acknowledged", { ...RESUMED, received: 0n }],
    ["a loss that starts too late", { ...GAP, received: 3n, toClient: { from: 6n, to: 7n, reason: "" } }],
    ["a loss that ends before it starts", { ...GAP, received: 3n, toClient: { from: 5n, to: 4n, reason: "" } }],
    ["a loss without end", { ...GAP, received: 3n, toClient: { from: 5n, to: 2n ** 60n, reason: "" } }],
    ["a loss of what was never sent", { ...GAP, received: 3n, toServer: { from: 2n, to: 9n, reason: "" } }],
  ])("that speaks of %s ends the connection as a breach of the protocol", async (_what, said) => {
    const { states } = await resume(said);
    expect(states.at(-1)).toMatchObject(["disconnected", { closeCode: 4402 }]);
  });

  it("that resumes a session for a client which has none ends the connection", async () => {
    const server = new FakeServer((link) => link.welcome({ ...RESUMED }));
    const { client, clock } = join(server);
    const connecting = watch(client.connect());
    await clock.runUntilIdle();
    expect(connecting.outcome).toBe("protocol-violation");
  });

  it("of a server that has lost the session tells the application which messages may be lost", async () => {
    const gaps: unknown[] = [];
    const server = new FakeServer();
    const { client, clock, states } = join(server);
    client.on("gap", (gap) => gaps.push(gap));
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    for (let i = 0; i < 3; i++) await client.send(5, NoteRequest, { text: String(i) });
    server.last.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: 1n });
    await clock.runUntilIdle();
    server.last.close(1006);
    await clock.advance(2000);
    expect(gaps).toEqual([{ direction: "out", from: 2, to: 3, reason: "the peer has no session of this connection" }]);
    expect(states.at(-1)).toMatchObject(["connected", { resumed: false }]);
  });
});

describe("in a browser", () => {
  class Page extends EventTarget {
    visibilityState = "visible";
  }

  function openPage() {
    const document = new Page();
    const window = new EventTarget();
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
    const show = (visibilityState: string) => {
      document.visibilityState = visibilityState;
      document.dispatchEvent(new Event("visibilitychange"));
    };
    const pageshow = (persisted: boolean) => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));
    const say = (type: string) => window.dispatchEvent(new Event(type));
    return { show, pageshow, say, listeners: () => listenersOf(window, "online", "pageshow") + listenersOf(document, "visibilitychange") };
  }

  function listenersOf(target: EventTarget, ...types: string[]): number {
    return types.flatMap((type) => getEventListeners(target, type)).length;
  }

  type OpenPage = ReturnType<typeof openPage>;
  const SIGNS: readonly (readonly [string, (page: OpenPage) => void])[] = [
    ["online", ({ say }) => say("online")],
    ["a page that is visible again", ({ show }) => show("visible")],
    ["a page out of the back-forward cache", ({ pageshow }) => pageshow(true)],
  ];

  it.each(SIGNS)("%s ends a wait at once", async (_name, sign) => {
    const page = openPage();
    const server = new FakeServer();
    const { client, clock } = join(server, { reconnect: { baseMs: 60_000 } });
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    server.last.close(1006);
    await clock.advance(10);
    expect(client.state).toBe("retry-pending");
    sign(page);
    await clock.runUntilIdle();
    expect([client.state, server.links.length]).toEqual(["connected", 2]);
  });

  it.each(SIGNS)("%s asks a connected server for a sign of life; without one the connection is replaced at once", async (_name, sign) => {
    const page = openPage();
    const server = new FakeServer();
    const { client, clock, states } = join(server);
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    sign(page);
    await clock.runUntilIdle();
    expect(server.last.received.map(({ kind }) => kind)).toEqual([FrameKind.FRAME_KIND_PING]);
    expect(client.state).toBe("connected");
    await clock.advance(20_000);
    expect(states.slice(2)).toMatchObject([
      ["retry-pending", { closeCode: 4502 }],
      ["connecting", {}],
      ["connected", {}],
    ]);
  });

  it("a page out of the back-forward cache whose socket tells only then that it was closed connects at once", async () => {
    const page = openPage();
    const server = new FakeServer();
    const { client, clock } = join(server, { reconnect: { baseMs: 60_000 } });
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    page.pageshow(true);
    server.last.close(1006);
    await clock.runUntilIdle();
    expect([client.state, server.links.length]).toEqual(["connected", 2]);
  });

  it.each<readonly [string, (page: OpenPage) => void]>([
    ["offline", ({ say }) => say("offline")],
    ["a page that is hidden", ({ show }) => show("hidden")],
    ["a page that is shown for the first time", ({ pageshow }) => pageshow(false)],
  ])("%s changes nothing", async (_name, sign) => {
    const page = openPage();
    const server = new FakeServer();
    const { client, clock, states } = join(server);
    await Promise.all([client.connect(), clock.runUntilIdle()]);
    sign(page);
    await clock.advance(1000);
    expect([client.state, states.length, server.last.received.length]).toEqual(["connected", 2, 0]);
  });

  it("nothing listens to the page before connect, after close or after a final code", async () => {
    const page = openPage();
    const server = new FakeServer((link) => link.close(4416));
    const { client, clock } = join(server);
    expect(page.listeners()).toBe(0);
    watch(client.connect());
    expect(page.listeners()).toBe(3);
    await clock.runUntilIdle();
    expect([client.state, page.listeners()]).toEqual(["disconnected", 0]);
    watch(client.connect());
    expect(page.listeners()).toBe(3);
    await client.close();
    expect(page.listeners()).toBe(0);
  });
});

it("a client that is closed while it connects leaves no socket behind", async () => {
  const [near, far] = memoryPair();
  let open: (transport: Transport) => void = () => {};
  const client = createClient("ws://fake", {
    logger: false,
    connector: () =>
      new Promise((resolve) => {
        open = resolve;
      }),
  });
  const connecting = watch(client.connect());
  await Promise.resolve();
  await client.close();
  let ended = false;
  far.open({ onData: () => {}, onAlive: () => {}, onDrain: () => {}, onClose: () => (ended = true) });
  open(near);
  await expect.poll(() => ended).toBe(true);
  expect(connecting.outcome).toBe("connection-closed");
});
