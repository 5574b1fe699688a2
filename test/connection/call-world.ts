/** The real thing behind the model of calls: a client and a server over a network in memory, whose handlers do what a test tells them. */
import { type Client, createClient } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import { createServer, type Server } from "../../src/server/index.js";
import { MemoryNetwork } from "../../src/testing/memory-network.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { type CallKind, type CallView, type HandlerState, type Side, streamsDown, streamsUp } from "./call-model.js";

/** Items that a test feeds by hand. */
class Feed<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  #asked = false;
  #over = false;
  #wake: (() => void) | undefined;
  #error: unknown;

  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  end(error?: unknown): void {
    this.#over = true;
    this.#error = error;
    this.#wake?.();
  }

  /** Whether somebody has begun to read and neither come to the end nor said that it leaves. */
  get dangling(): boolean {
    return this.#asked && !this.#over;
  }

  async next(): Promise<IteratorResult<T>> {
    this.#asked = true;
    while (this.#items.length === 0 && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
    const item = this.#items.shift();
    if (item !== undefined) return { done: false, value: item };
    if (this.#error !== undefined) throw this.#error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T>> {
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

interface Context {
  readonly signal: AbortSignal;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One call, both ends of it. */
class RealCall implements CallView {
  outcome: string | undefined;
  handler: HandlerState = "none";
  read = 0;
  handled = 0;
  complete = false;
  leaving = false;
  /** What the caller streams, and what the handler does. */
  readonly source = new Feed<{ number: bigint; text: string }>();
  readonly #output = new Feed<{ number: number; text: string }>();
  readonly abort = new AbortController();
  listeners = 0;

  constructor() {
    const { signal } = this.abort;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = ((...args: Parameters<typeof addEventListener>) => {
      this.listeners++;
      addEventListener.apply(signal, args);
    }) as typeof addEventListener;
    signal.removeEventListener = ((...args: Parameters<typeof removeEventListener>) => {
      this.listeners--;
      removeEventListener.apply(signal, args);
    }) as typeof removeEventListener;
  }

  emit(): void {
    this.#output.push({ number: 1, text: "x" });
  }

  answer(outcome: string): void {
    this.handler = "ended";
    this.#output.end(outcome === "ok" ? undefined : new FramewireError("aborted", "as the test says"));
  }

  settle(outcome: string): void {
    if (this.outcome !== undefined) throw new Error(`settled twice: ${this.outcome}, then ${outcome}`);
    this.outcome = outcome;
  }

  /** What the handler streams; ends when it is told to, or with the call. */
  serve({ signal }: Context, requests?: AsyncIterable<unknown>): Feed<{ number: number; text: string }> {
    if (this.handler !== "none") throw new Error("handled twice");
    this.handler = "running";
    signal.addEventListener("abort", () => {
      if (this.handler === "running") this.handler = "aborted";
      this.#output.end(signal.reason);
    });
    if (requests !== undefined) this.#take(requests).catch(() => {});
    return this.#output;
  }

  async #take(requests: AsyncIterable<unknown>): Promise<void> {
    for await (const _ of requests) this.handled++;
    if (this.handler === "running") this.complete = true;
  }
}

interface RealNote {
  outcome: string | undefined;
  handled: number;
}

export class CallWorld {
  readonly clock = new VirtualClock();
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly calls: RealCall[] = [];
  readonly notes: RealNote[] = [];
  readonly client: Client;
  readonly #servers: Server[] = [];

  constructor() {
    this.startServer();
    this.client = createClient("ws://memory", {
      logger: false,
      clock: this.clock,
      connector: (...args) => this.network.connector(this.server)(...args),
      // Little credit, so that streams wait for it all the time.
      initialCredit: 70,
      resumeWindowMs: HOURS,
      maxQueuedMs: HOURS,
      reconnect: { baseMs: 1000, maxMs: 2000, retries: Number.POSITIVE_INFINITY },
      random: () => 0,
    });
    this.client.implement(TestServiceDefinition, this.#handlers());
  }

  get server(): Server {
    return this.#servers.at(-1) as Server;
  }

  startServer(): void {
    const server = createServer({ clock: this.clock, logger: false, initialCredit: 70, resumeWindowMs: HOURS, maxQueuedMs: HOURS });
    server.implement(TestServiceDefinition, this.#handlers());
    this.#servers.push(server);
  }

  /** Moves time until the client is connected. */
  async connect(): Promise<void> {
    this.network.reachable = true;
    if (this.client.state === "disconnected") void this.client.connect();
    await this.clock.runUntil(() => this.client.state === "connected", 5_000);
    await this.clock.runUntilIdle();
  }

  call(kind: CallKind, from: Side, timeoutMs: number, aborted: boolean): void {
    const call = new RealCall();
    const id = this.calls.push(call) - 1;
    if (aborted) call.abort.abort();
    this.#run(call, kind, from, { timeoutMs, signal: call.abort.signal, metadata: { id: String(id) } }).then(
      (outcome) => call.settle(outcome),
      (error) => call.settle(error instanceof FramewireError ? error.code : `not one of ours: ${error}`),
    );
  }

  note(): void {
    const note: RealNote = { outcome: undefined, handled: 0 };
    const id = this.notes.push(note) - 1;
    this.client
      .service(TestServiceDefinition)
      .note({ text: String(id) })
      .then(
        () => (note.outcome = "ok"),
        ({ code }) => (note.outcome = code),
      );
  }

  /** Ends everything; nothing may be left then. */
  async end(): Promise<void> {
    void this.client.close();
    for (const server of this.#servers) void server.close();
    await this.clock.runUntilIdle();
  }

  get connections(): number {
    return this.#servers.reduce((sum, { connections }) => sum + connections.length, 0);
  }

  async #run(call: RealCall, kind: CallKind, from: Side, options: object): Promise<string> {
    const service = (from === "client" ? this.client : this.server.connections[0]!).service(TestServiceDefinition);
    if (!streamsDown(kind)) {
      if (streamsUp(kind)) await service.sum(call.source, options);
      else await service[kind as "echo" | "sample"]({ text: "x" }, options);
      return "ok";
    }
    for await (const _ of streamsUp(kind) ? service.chat(call.source, options) : service.count({}, options)) {
      call.read++;
      if (call.leaving) return "left";
    }
    return "ok";
  }

  #handlers() {
    const of = ({ metadata }: Context) => this.calls[Number(metadata.id)] as RealCall;
    const reply = async (call: RealCall, context: Context, requests?: AsyncIterable<unknown>) => {
      await call.serve(context, requests).next();
      return { text: "x", sum: 1n };
    };
    return {
      echo: (_request: unknown, context: Context) => reply(of(context), context),
      sample: (_request: unknown, context: Context) => reply(of(context), context),
      sum: (requests: AsyncIterable<unknown>, context: Context) => reply(of(context), context, requests),
      count: (_request: unknown, context: Context) => of(context).serve(context),
      chat: (requests: AsyncIterable<unknown>, context: Context) => of(context).serve(context, requests),
      note: ({ text }: { readonly text: string }) => void this.notes[Number(text)]!.handled++,
      price: () => {},
    };
  }
}

const HOURS = 1_000_000_000;
