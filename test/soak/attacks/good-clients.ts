/** Clients that call all the time, and note how long each call takes. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "../../../src/client/index.js";
import { TestServiceDefinition } from "../../gen/test/v1/test_service.js";
import { type Addresses, BYTES, ECHO } from "../../helpers/attacks/attacked-server.js";
import { testService } from "../../helpers/test-service.js";

export const GOOD_CLIENTS = 10;
/** Between the calls of a client, unless there are many of them. */
const PAUSE_MS = 10;
/** What goes on for long is looked at in parts of about this length, or quiet times would make up for bad ones. In milliseconds. */
const PART_MS = 3000;

/** Takes what the server sends to everybody. */
const SERVICE = testService();

/** Of many calls, in milliseconds; of the parts of a long time the worst of each. */
export interface Latencies {
  /** In the part with the fewest. */
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

export class GoodClients {
  readonly wrong = new Set<string>();
  readonly #clients: readonly Client[];
  readonly #pauseMs: number;
  #calling: Promise<void>[] = [];
  /** When each call ended, and how long it took. */
  #calls: (readonly [at: number, took: number])[] = [];
  #since = performance.now();
  #stop = false;
  /** Calls answered since the start. */
  answered = 0;

  /** They come from 127.0.0.1, where no attacker comes from. */
  constructor({ ws, tcp }: Addresses, count = GOOD_CLIENTS, pauseMs = PAUSE_MS) {
    this.#clients = Array.from({ length: count }, (_, i) => createClient(i % 2 === 0 ? ws : tcp, { credentials: `good ${i}` }));
    this.#pauseMs = pauseMs;
  }

  async start(): Promise<void> {
    for (const client of this.#clients) {
      client.implement(TestServiceDefinition, SERVICE);
      await client.connect();
      client.on("state", (state) => !this.#stop && this.wrong.add(`a good client is ${state}`));
    }
    const message = new Uint8Array(64);
    this.#calling = this.#clients.map(async (client) => {
      while (!this.#stop) {
        const started = performance.now();
        await client.request(ECHO, BYTES, message).then(
          () => this.answered++,
          ({ code }) => this.wrong.add(`a good client's call failed: ${code}`),
        );
        const now = performance.now();
        this.#calls.push([now, now - started]);
        await sleep(this.#pauseMs);
      }
    });
  }

  /** Of the calls since the last time. */
  taken(): Latencies {
    const since = this.#since;
    const calls = this.#calls;
    this.#since = performance.now();
    this.#calls = [];
    const parts = Math.max(1, Math.floor((this.#since - since) / PART_MS));
    const partMs = (this.#since - since) / parts;
    const all = Array.from({ length: parts }, (_, part) =>
      calls.filter(([at]) => Math.min(parts - 1, Math.floor((at - since) / partMs)) === part).map(([, took]) => took),
    ).map((part) => part.sort((a, b) => a - b));
    const worst = (value: (sorted: readonly number[]) => number | undefined) => Math.max(...all.map((part) => value(part) ?? 0));
    return {
      calls: Math.min(...all.map(({ length }) => length)),
      p50: worst((part) => part[part.length >> 1]),
      p99: worst((part) => part[Math.floor(part.length * 0.99)]),
      most: worst((part) => part.at(-1)),
    };
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#calling);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
