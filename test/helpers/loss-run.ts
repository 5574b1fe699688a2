/** Sessions under seeded chaos that do lose: what little is kept, what grows too old, servers that forget. Every loss must be told. */

import type { CallOptions } from "../../src/calls/call-options.js";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { ServiceClient } from "../../src/protocol/definition.js";
import { createServer, type Server, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import type { GapEvent } from "../../src/session/events.js";
import type { SequenceRange } from "../../src/session/receive-sequence.js";
import { MemoryNetwork, SeededRandom, VirtualClock } from "../../src/testing/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { breaksAtRandomBytes, Handled, handledService, type Outcome, sendLoad } from "./session-run.js";
import { type TappedLink, type TappedSession, Wiretap } from "./wiretap.js";

/** What a run is about. Small buffers alone lose nothing: sends wait. */
export const LOSSES = ["keeps nothing", "small buffers", "too old", "evicted", "expired", "restarted"] as const;
export type Loss = (typeof LOSSES)[number];

/** What came of a run; `wrong` is empty if every loss was told as it was. */
export interface LossReport {
  readonly seed: number;
  readonly loss: Loss;
  readonly links: number;
  readonly sessions: number;
  /** Gaps told while the session went on, and with the session. */
  readonly gaps: number;
  readonly rejections: number;
  readonly notes: number;
  readonly lostNotes: number;
  readonly calls: number;
  readonly brokenCalls: number;
  readonly wrong: string[];
}

const LOAD = { notes: 25, echoes: 8, streams: 1, withinMs: 1_500 };
const LINKS = 10;
const NOTE = 261;
/** Links that go silent one after the other are not what these runs are about. */
const MAX_QUEUED_MS = 3_600_000;
/** How a send or call may end that was hit by a loss. */
const TOLD = new Set(["data-loss", "unavailable", "connection-closed"]);

function optionsOf(loss: Loss, random: SeededRandom): { server?: ServerOptions; client?: ClientOptions } {
  switch (loss) {
    case "keeps nothing":
      return random.pick([
        { client: { replayFrames: 0 } },
        { server: { replayBytes: 0 } },
        { client: { replayBytes: 0 }, server: { replayFrames: 0 } },
      ]);
    case "small buffers": {
      const limits = { replayBytes: random.between(100, 3_000), replayFrames: random.between(1, 20) };
      return { client: limits, server: limits };
    }
    case "too old":
      return { client: { replayMs: random.between(5, 400) }, server: { replayMs: random.between(5, 400) } };
    case "evicted":
      return { server: random.pick([{ maxSessions: 0 }, { maxSessionBytes: random.between(0, 2_000) }]) };
    case "expired":
      return { server: { resumeWindowMs: random.between(1, 300) } };
    case "restarted":
      return {};
  }
}

/** What was told of one session, by who told it. */
interface Told {
  readonly clientOut: SequenceRange[];
  readonly clientIn: SequenceRange[];
  readonly serverOut: SequenceRange[];
  readonly serverIn: SequenceRange[];
  /** Told by the client as the session was over. */
  readonly rejected: SequenceRange[];
}

class LossRun {
  readonly clock = new VirtualClock(1_000);
  readonly random: SeededRandom;
  readonly network: MemoryNetwork;
  readonly tap = new Wiretap();
  readonly client: Client;
  readonly atServer = new Handled();
  readonly atClient = new Handled();
  readonly wrong: string[] = [];
  readonly told = new Map<TappedSession, Told>();
  readonly #links = new Map<ServerConnection, TappedLink>();
  readonly ended = new Set<ServerConnection>();
  readonly #pending: (() => void)[] = [];
  server: Server;
  readonly #options: ServerOptions;

  constructor(seed: number, loss: Loss) {
    this.random = new SeededRandom(seed);
    const { server = {}, client = {} } = optionsOf(loss, this.random);
    const messages = this.random.pick([false, true]);
    this.network = new MemoryNetwork({ clock: this.clock, seed, faults: breaksAtRandomBytes(LINKS, 4_000), messages });
    this.#options = { clock: this.clock, maxQueuedMs: MAX_QUEUED_MS, ...server };
    this.server = this.#start();
    const connect = this.network.connector({ accept: (transport) => this.server.accept(this.tap.server(transport)) });
    this.client = createClient("ws://memory", {
      logger: false,
      clock: this.clock,
      maxQueuedMs: MAX_QUEUED_MS,
      random: this.random.next,
      connector: async (...args) => this.tap.client(await connect(...args)),
      reconnect: { retries: Number.POSITIVE_INFINITY, baseMs: 20, maxMs: 200 },
      ...client,
    });
    this.client.implement(TestServiceDefinition, handledService(this.clock, this.atClient));
    this.client.on("failure", ({ command = "none", error }) => this.#failed("client", command, error));
    this.client.on("gap", (gap) => {
      const { anew, current, former } = this.tap;
      const told = this.#toldOf((anew ? former : current) as TappedSession);
      if (anew) told.rejected.push(gap);
      else (gap.direction === "in" ? told.clientIn : told.clientOut).push(gap);
    });
  }

  get connections(): ServerConnection[] {
    return [...this.#links.keys()];
  }

  sessionOf(connection: ServerConnection): TappedSession | undefined {
    return this.#links.get(connection)?.session;
  }

  /** Sends through whatever session is the newest. */
  get down(): ServiceClient<TestServiceDefinition, CallOptions> {
    const newest = () => {
      const { connections } = this;
      // A session whose welcome never came is nobody's.
      const current = connections.find((connection) => this.sessionOf(connection) === this.tap.current);
      return (current ?? connections.at(-1)!).service(TestServiceDefinition);
    };
    return new Proxy(newest(), {
      get: (_service, method) => (request: never, options?: CallOptions) => newest()[method as "note"](request, options),
    });
  }

  /** The server's process is gone, and another one takes its place. */
  restart(): void {
    const old = this.server;
    this.network.cut();
    this.server = this.#start();
    void old.close();
  }

  /** Sorts what servers told into their sessions: which one that is shows only when its welcome leaves. */
  settleTold(): void {
    for (const place of this.#pending.splice(0)) place();
  }

  #start(): Server {
    const server = createServer({ logger: false, ...this.#options });
    server.implement(TestServiceDefinition, handledService(this.clock, this.atServer));
    server.on("failure", ({ command = "none", error }) => this.#failed("server", command, error));
    server.on("disconnection", (connection) => this.ended.add(connection));
    server.on("connection", (connection) => {
      this.#links.set(connection, this.tap.reading as TappedLink);
      connection.on("gap", (gap: GapEvent) => {
        this.#pending.push(() => {
          const session = this.sessionOf(connection);
          if (session !== undefined) this.#toldOf(session)[gap.direction === "in" ? "serverIn" : "serverOut"].push(gap);
        });
      });
    });
    return server;
  }

  #toldOf(session: TappedSession): Told {
    const told = this.told.get(session) ?? { clientOut: [], clientIn: [], serverOut: [], serverIn: [], rejected: [] };
    this.told.set(session, told);
    return told;
  }

  #failed(side: string, command: string, error: unknown): void {
    const expected = error instanceof FramewireError && (TOLD.has(error.code) || error.code === "cancelled");
    if (!expected) this.wrong.push(`${side}: ${command}: ${error}`);
  }
}

/** One run. */
export async function runLoss(seed: number): Promise<LossReport> {
  const loss = LOSSES[seed % LOSSES.length] as Loss;
  const run = new LossRun(seed, loss);
  const { clock, random, client, wrong } = run;
  let up: Outcome | undefined;
  let down: Outcome | undefined;
  client
    .connect()
    .then(() => {
      up = sendLoad(clock, random, client.service(TestServiceDefinition), LOAD);
      down = sendLoad(clock, random, run.down, LOAD);
      if (loss === "restarted") {
        for (let i = random.between(1, 4); i > 0; i--) clock.setTimer(random.between(0, 2_000), () => run.restart());
      }
    })
    .catch((error) => wrong.push(`connect: ${error}`));
  const done = (outcome: Outcome | undefined) => outcome !== undefined && outcome.settled === outcome.opened;
  try {
    await clock.runUntil(() => done(up) && done(down), 600_000);
  } catch (error) {
    wrong.push(`${(error as Error).message}; up ${JSON.stringify(up)}, down ${JSON.stringify(down)}, state ${client.state}`);
  }
  // Links that went silent are found, what they held arrives, sessions that nobody comes back for are over.
  await clock.advance(300_000);
  // The last of the faulty links may have broken only now.
  if (client.state !== "connected") await clock.advance(5_000);
  run.settleTold();
  if (client.state !== "connected") wrong.push(`the client is ${client.state}`);
  const counts = { gaps: 0, rejections: 0 };
  for (const told of run.told.values()) {
    counts.gaps += told.clientIn.length + told.clientOut.length;
    counts.rejections += told.rejected.length;
  }
  if (up !== undefined && down !== undefined) judge(run, up, down);
  const lostNotes = 2 * LOAD.notes - run.atServer.notes.length - run.atClient.notes.length;
  const calls = [up, down].flatMap((outcome) => outcome?.broken ?? []).filter(({ what }) => what !== "note").length;
  if (loss === "small buffers" && (lostNotes > 0 || calls > 0 || counts.gaps > 0)) wrong.push("small buffers lost something");
  await client.close();
  await run.server.close();
  await clock.advance(30_000);
  if (clock.pendingTimers > 0) wrong.push(`${clock.pendingTimers} timers were forgotten`);
  return {
    seed,
    loss,
    links: run.network.stats.links,
    sessions: run.tap.sessions.size,
    ...counts,
    notes: run.atServer.notes.length + run.atClient.notes.length,
    lostNotes,
    calls: (up?.opened ?? 0) + (down?.opened ?? 0) - 2 * LOAD.notes,
    brokenCalls: calls,
    wrong,
  };
}

function judge(run: LossRun, up: Outcome, down: Outcome): void {
  const { wrong, tap } = run;
  wrong.push(...up.failures, ...down.failures, ...tap.changed);
  const live = new Set(run.connections.filter((connection) => !run.ended.has(connection)).map((connection) => run.sessionOf(connection)));
  for (const session of tap.sessions.values()) judgeSession(run, session, live.has(session));
  judgeNotes(run, "up", up, run.atServer, live);
  judgeNotes(run, "down", down, run.atClient, live);
  for (const [side, outcome, handled] of [
    ["client", up, run.atServer],
    ["server", down, run.atClient],
  ] as const) {
    if (handled.doubled.length > 0) wrong.push(`calls of the ${side} were handled twice: ${handled.doubled}`);
    for (const { what, error } of outcome.broken) {
      const code = error instanceof FramewireError ? error.code : String(error);
      if (!TOLD.has(code)) wrong.push(`${what} of the ${side} ended with ${code}: ${error}`);
    }
    if (outcome.broken.length > 0 && run.told.size === 0 && run.ended.size === 0)
      wrong.push(`the ${side} lost calls, and nothing was told`);
  }
  for (const connection of run.connections)
    if (connection.inFlight > 0) wrong.push(`${connection.inFlight} calls of session ${connection.id} go on`);
}

/** What both sides told of a session must be the same. */
function judgeSession(run: LossRun, session: TappedSession, live: boolean): void {
  const told = run.told.get(session);
  if (told === undefined) return;
  const { wrong } = run;
  const current = live && session === run.tap.current;
  for (const [name, ranges] of Object.entries(told) as [string, SequenceRange[]][]) {
    ranges.forEach(({ from, to }, at) => {
      if (!(from >= 1 && from <= to)) wrong.push(`${name} tells ${from} to ${to}`);
      if (ranges.slice(0, at).some((other) => from <= other.to && to >= other.from)) wrong.push(`${name} tells of ${from} to ${to} twice`);
    });
  }
  const text = (ranges: readonly SequenceRange[]) =>
    joined(ranges)
      .map(({ from, to }) => `${from}-${to}`)
      .join();
  for (const [direction, sender, receiver] of [
    ["up", told.clientOut, told.serverIn],
    ["down", told.serverOut, told.clientIn],
  ] as const) {
    const differ = text(sender) !== text(receiver);
    // Where a session ended before both had heard of a loss, one of them has its end instead.
    if (current && differ) wrong.push(`${direction}: the sender tells ${text(sender)}, the receiver ${text(receiver)}`);
  }
}

/** Adjoining ranges as one, in order. */
function joined(ranges: readonly SequenceRange[]): SequenceRange[] {
  const all: { from: number; to: number }[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else all.push({ from, to });
  }
  return all;
}

/** Every note that went out was handled once and in order, or is within a range that was told; and none that was told as never received was handled. */
function judgeNotes(run: LossRun, direction: "up" | "down", { notesSent }: Outcome, { notes }: Handled, live: ReadonlySet<unknown>): void {
  const { wrong, tap } = run;
  const places = new Map<number, { readonly session: TappedSession; readonly sequence: number }>();
  for (const session of tap.sessions.values()) {
    for (const [sequence, { cmd, kind, payload }] of session[direction]) {
      if (cmd !== NOTE || (kind ?? 0) !== 0) continue;
      const number = Number(NoteRequest.decode(payload as Uint8Array).text);
      if (places.has(number)) wrong.push(`${direction}: note ${number} was sent in two sessions`);
      places.set(number, { session, sequence });
    }
  }
  const last = new Map<TappedSession, number>();
  const handled = new Set<number>();
  for (const number of notes) {
    const place = places.get(number);
    if (place === undefined || handled.has(number)) {
      wrong.push(`${direction}: note ${number} was ${place === undefined ? "never sent" : "handled twice"}`);
      continue;
    }
    handled.add(number);
    if (place.sequence <= (last.get(place.session) ?? 0)) wrong.push(`${direction}: note ${number} came out of order`);
    last.set(place.session, place.sequence);
  }
  for (const [number, { session, sequence }] of places) {
    const told = run.told.get(session);
    const has = (ranges: readonly SequenceRange[] = []) => ranges.some(({ from, to }) => from <= sequence && sequence <= to);
    const toReceiver = has(direction === "up" ? told?.serverIn : told?.clientIn);
    const toSender = has(direction === "up" ? told?.clientOut : told?.serverOut) || (direction === "up" && has(told?.rejected));
    const name = `${direction}: note ${number}, sequence ${sequence}`;
    if (handled.has(number)) {
      if (toReceiver) wrong.push(`${name} was handled and told as lost`);
      continue;
    }
    const goesOn = live.has(session) && session === tap.current;
    // The end of a session is told by itself: to a server as a disconnection, to a client as a new session.
    if (!toSender && (direction === "up" ? session === tap.current || session === tap.former : goesOn))
      wrong.push(`${name} is lost, and the sender was not told`);
    if (!toReceiver && goesOn) wrong.push(`${name} is lost, and the receiver was not told`);
  }
  // A frame may be numbered and lost before it was written to a socket; it is in a range like any other.
  const unseen = notesSent - places.size;
  if (unseen > 0) {
    let room = 0;
    for (const [session, told] of run.told) {
      const ranges = direction === "up" ? [...told.clientOut, ...told.rejected] : told.serverOut;
      for (const { from, to } of ranges) for (let s = from; s <= to; s++) if (!session[direction].has(s)) room++;
    }
    if (direction === "up" && unseen > room) wrong.push(`${unseen} notes vanished before they were written`);
  }
}
