/** Any one flipped bit costs a session a bounded time, in whatever frame it is, the last one before a silence included. */
import { describe, expect, it } from "vitest";
import { type Client, createClient } from "../../src/client/index.js";
import { createServer, type ServerConnection } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { STRIDE } from "../helpers/runs.js";
import { FlippingLine, type Way } from "./flipping-line.js";

/** Budgets for damage are off: every bit of a session is flipped in turn. */
const NO_BUDGETS = { resyncBudget: 1e9, errorRate: 1 };
/** From here on a session is quiet: all that was sent is acknowledged, and no timer of loss runs. */
const QUIET_MS = 2_000;

class Session {
  readonly clock = new VirtualClock();
  readonly line: FlippingLine;
  readonly roundTripMs: number;
  readonly ended: string[] = [];
  readonly #server;
  readonly #client: Client;
  #connection: ServerConnection | undefined;
  #noted: () => void = () => {};

  constructor(roundTripMs: number, messages: boolean) {
    const { clock } = this;
    this.roundTripMs = roundTripMs;
    this.line = new FlippingLine(clock, roundTripMs / 2, messages);
    const options = { ...NO_BUDGETS, heartbeatIntervalMs: 0 };
    this.#server = createServer({ clock, ...options });
    this.#server.on("connection", (connection) => {
      this.#connection = connection;
    });
    const note = () => this.#noted();
    this.#server.implement(TestServiceDefinition, { echo: async ({ text }) => ({ text }), note });
    this.#client = createClient("ws://memory", { clock, connector: this.line.connector(this.#server), ...options });
    this.#client.implement(TestServiceDefinition, { note });
    this.#client.on("state", (state, { error, reason }) => {
      if (state !== "connected" && state !== "connecting") this.ended.push(`${state}: ${error?.code ?? reason}`);
    });
  }

  async connect(): Promise<void> {
    const connected = this.#client.connect();
    await this.clock.advance(QUIET_MS);
    await connected;
  }

  /** What two ends do with each other, one thing at a time; each resolves when it has arrived where it should. */
  readonly exchanges: Readonly<Record<string, () => Promise<unknown>>> = {
    "a call": () => this.#client.service(TestServiceDefinition).echo({ text: "hello" }, { timeoutMs: 0, metadata: { user: "a" } }),
    "a note to the server": () => this.#arrives(() => this.#client.service(TestServiceDefinition).note({ text: "up" })),
    "a note to the client": () => this.#arrives(() => this.#connection!.service(TestServiceDefinition).note({ text: "down" })),
  };

  #arrives(send: () => Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      this.#noted = resolve;
      void send();
    });
  }

  /** Virtual milliseconds that an exchange takes; infinite if it is not done when the session is quiet. */
  async timeOf(exchange: () => Promise<unknown>): Promise<number> {
    const started = this.clock.now();
    let done = Number.POSITIVE_INFINITY;
    void exchange().then(() => {
      done = this.clock.now();
    });
    await this.clock.advance(QUIET_MS);
    return done - started;
  }

  async close(): Promise<void> {
    const closed = Promise.all([this.#client.close(), this.#server.close()]);
    await this.clock.advance(5_000);
    await closed;
  }
}

/** What an exchange and the next one take with each bit of it flipped in turn, where that is too long. */
async function flipAll(session: Session, name: string, way: Way): Promise<{ bits: number; late: string[] }> {
  const exchange = session.exchanges[name]!;
  const clean = name === "a call" ? session.roundTripMs : session.roundTripMs / 2;
  const most = clean + 250 + 2 * session.roundTripMs;
  const late: string[] = [];
  let bits = 0;
  for (let bit = 0; ; bit += STRIDE) {
    session.line.flip(way, bit);
    const times = [await session.timeOf(exchange)];
    if (!session.line.flipped) return { bits, late };
    // A damaged acknowledgement is met by what follows it.
    times.push(await session.timeOf(exchange));
    bits++;
    if (Math.max(...times) > most) late.push(`bit ${bit} ${way}: ${times.join(" and ")} ms, ${most} at most`);
  }
}

describe.each([
  { over: "a stream", messages: false },
  { over: "messages", messages: true },
])("one flipped bit in a session over $over", ({ messages }) => {
  it.each([0, 40, 150])("costs at most 250 ms and two round trips of %i ms", { timeout: 60_000 }, async (roundTripMs) => {
    const session = new Session(roundTripMs, messages);
    await session.connect();
    const late: string[] = [];
    let bits = 0;
    for (const name of Object.keys(session.exchanges)) {
      for (const way of ["up", "down"] as const) {
        const run = await flipAll(session, name, way);
        bits += run.bits;
        late.push(...run.late.map((each) => `${name}, ${each}`));
      }
    }
    expect(late).toEqual([]);
    expect(session.ended).toEqual([]);
    expect(bits * STRIDE).toBeGreaterThan(1_000);
    await session.close();
  });
});

it("one flipped bit in the tag of the checksum costs no more in the first call of a session, though nothing is known of the line", async () => {
  const late: string[] = [];
  for (const roundTripMs of [0, 300]) {
    for (const way of ["up", "down"] as const) {
      let at = -1;
      for (let bit = -1; bit < 8; bit++) {
        const session = new Session(roundTripMs, false);
        await session.connect();
        session.line.flip(way, bit === -1 ? -1 : at * 8 + bit);
        const took = await session.timeOf(session.exchanges["a call"]!);
        // The first run changes nothing and shows where the tag is.
        if (bit === -1) at = session.line.first[way] - 5;
        expect(session.line.flipped).toBe(bit !== -1);
        await session.close();
        if (took > 250 + 3 * roundTripMs) late.push(`bit ${bit} ${way}, round trip of ${roundTripMs} ms: ${took} ms`);
      }
    }
  }
  expect(late).toEqual([]);
});
