/** A client and what it is put through, in pages, workers and React Native alike. Each method throws when something is not as it should be. */
import { type Client, createClient } from "framewire/client";
import type { Outbox } from "framewire/outbox";
import { TestServiceDefinition } from "../../gen/test/v1/test_service.js";
import { testService } from "../../helpers/test-service.js";
import { CALL, CALL_ME, callsOfAllKinds, equal, MIRROR, NOTE, RAW, TEXT } from "./wire.js";

const MIB = 1024 * 1024;

/** Short delays, so that tests are quick. `wake` in their place: only a sign of the browser's ends the wait. */
const DELAYS = { quick: { baseMs: 10, maxMs: 50, retries: 1_000 }, wake: { baseMs: 60_000, retries: 1_000 } };

export type Delays = keyof typeof DELAYS;

export class Peer {
  /** Every state since `open`; `resumed` in place of `connected` where it was. */
  readonly states: string[] = [];
  readonly #url: string;
  readonly #openOutbox: (name: string) => Promise<Outbox>;
  #client: Client | undefined;
  #outbox: Outbox | undefined;
  #gaps = 0;

  /** Connects to `url` when it is told to; `openOutbox` is the platform's. */
  constructor(url: string, openOutbox: (name: string) => Promise<Outbox>) {
    this.#url = url;
    this.#openOutbox = openOutbox;
  }

  /** Connects. Gives the number of sends that an outbox of that name still had. */
  async open(delays: Delays = "quick", outbox?: string): Promise<number> {
    if (outbox !== undefined) this.#outbox = await this.#openOutbox(outbox);
    const left = this.#outbox?.size ?? 0;
    const client = createClient(this.#url, {
      reconnect: DELAYS[delays],
      heartbeatIntervalMs: 1_000,
      heartbeatTimeoutMs: 1_500,
      ...(this.#outbox && { outbox: this.#outbox }),
    });
    client.implement(TestServiceDefinition, testService());
    client.on("state", (state, { resumed }) => this.states.push(resumed ? "resumed" : state));
    client.on("gap", () => this.#gaps++);
    this.#client = client;
    await client.connect();
    return left;
  }

  get #open(): Client {
    if (this.#client === undefined) throw new Error("there is no client yet");
    return this.#client;
  }

  /** Calls of all kinds, to the server and back; how they fail. */
  async calls(): Promise<void> {
    const service = this.#open.service(TestServiceDefinition);
    await callsOfAllKinds({
      echo: (request) => service.echo(request),
      count: (request) => service.count(request),
      sum: (requests) => service.sum(requests),
      chat: (requests) => service.chat(requests),
    });
    equal("at most once", (await service.sample({ text: "now" })).text, "now");
    const codes: unknown[] = [];
    const codeOf = ({ code }: { code: string }) => void codes.push(code);
    await service.echo({ text: "refuse" }).catch(codeOf);
    await service.echo({ delayMs: 5_000 }, { timeoutMs: 20 }).catch(codeOf);
    const controller = new AbortController();
    const cancelled = service.echo({ delayMs: 5_000 }, { signal: controller.signal }).catch(codeOf);
    controller.abort();
    await cancelled;
    equal("failures", codes, ["not-found", "deadline-exceeded", "cancelled"]);
    equal("calls of the server", await this.#open.request(CALL_ME, TEXT, ""), "");
  }

  /** More than the credit of a stream, read slowly; one left early; both ways at once. */
  async streams(): Promise<void> {
    const service = this.#open.service(TestServiceDefinition);
    let expected = 0;
    for await (const { number, padding } of service.count({ count: 1_000, padding: 1_000 })) {
      if (number !== ++expected || padding.length !== 1_000) throw new Error(`item ${number} in place of ${expected}`);
      if (number % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    equal("items", expected, 1_000);
    for await (const { number } of service.count({ count: 1_000_000, padding: 1_000 })) if (number === 300) break;
    const words = Array.from({ length: 500 }, (_, index) => ({ text: `word ${index} ${"x".repeat(1_000)}` }));
    let answers = 0;
    for await (const { text } of service.chat(words)) equal("answer", text, words[answers++]?.text.toUpperCase());
    equal("answers", answers, words.length);
    const { sum } = await service.sum(words.map((_, number) => ({ number: BigInt(number) })));
    equal("sum", sum, BigInt((words.length * (words.length - 1)) / 2));
  }

  /** The largest payload there may be, both ways, three at once; one byte more is refused. */
  async payloads(): Promise<void> {
    const payload = new Uint8Array(MIB);
    for (let i = 0; i < MIB; i++) payload[i] = (i * 31 + (i >>> 8)) & 0xff;
    const answers = await Promise.all([1, 2].map(() => this.#open.request(MIRROR, RAW, payload)));
    for (const answer of answers) sameBytes(answer, payload);
    const refused = await this.#open.request(MIRROR, RAW, new Uint8Array(MIB + 1)).catch(({ code }: { code: string }) => code);
    equal("one byte more", refused, "frame-too-large");
  }

  /** Every byte value alone, every pair of values, views at odd offsets, text with everything that encodings stumble over. */
  async bytes(): Promise<void> {
    await Promise.all(
      Array.from({ length: 256 }, async (_, value) =>
        sameBytes(await this.#open.request(MIRROR, RAW, Uint8Array.of(value)), Uint8Array.of(value)),
      ),
    );
    const pairs = new Uint8Array(2 * 65_536 + 3);
    for (let pair = 0; pair < 65_536; pair++) {
      pairs[3 + 2 * pair] = pair >>> 8;
      pairs[4 + 2 * pair] = pair & 0xff;
    }
    for (const offset of [0, 1, 3]) sameBytes(await this.#open.request(MIRROR, RAW, pairs.subarray(offset)), pairs.subarray(offset));
    sameBytes(await this.#open.request(MIRROR, RAW, new Uint8Array(0)), new Uint8Array(0));
    const service = this.#open.service(TestServiceDefinition);
    for (const text of ["", "\ufeffmark", "\u0000", "é e\u0301", "日本語", "👩‍👩‍👧‍👦", "\r\n\t", "ÿ".repeat(1_000)])
      equal("text", (await service.echo({ text })).text, text);
    for (const id of [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) equal("int64", (await service.echo({ id })).id, id);
  }

  /**
   * Numbered sends and calls from `from` to `to`, and a stream beside them that has to arrive whole. Somebody breaks the
   * link meanwhile.
   */
  async numbered(from: number, to: number): Promise<void> {
    const stream = this.#stream(2 * (to - from));
    const calls: Promise<void>[] = [];
    for (let id = from; id <= to; id++) {
      if (id % 2 === 0) await this.#open.send(NOTE, TEXT, String(id));
      else calls.push(this.#open.request(CALL, TEXT, String(id)).then((reply) => equal("reply", reply, String(2 * id))));
      if (calls.length >= 8) await calls.shift();
    }
    await Promise.all([...calls, stream]);
    equal("gaps", this.#gaps, 0);
  }

  async #stream(count: number): Promise<void> {
    let last = 0;
    for await (const { number } of this.#open.service(TestServiceDefinition).count({ count, padding: 100 })) equal("item", number, ++last);
    equal("items", last, count);
  }

  /** Numbered sends that wait in the outbox. Resolves when all are written down. */
  async accept(from: number, to: number): Promise<void> {
    for (let id = from; id <= to; id++) {
      if (id % 2 === 0) await this.#open.send(NOTE, TEXT, String(id));
      else this.#open.request(CALL, TEXT, String(id)).catch(() => {});
    }
    await this.#outbox?.written();
  }

  /** Sends in the outbox that the server has not acknowledged. */
  async waiting(): Promise<number> {
    return this.#outbox?.size ?? 0;
  }

  /** Every state since `open`. */
  async history(): Promise<string[]> {
    return this.states;
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} bytes in place of ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) throw new Error(`byte ${i} is ${actual[i]} in place of ${expected[i]}`);
  }
}

/** What others may call by name. */
export type Action = "open" | "calls" | "streams" | "payloads" | "bytes" | "numbered" | "accept" | "waiting" | "history" | "close";

export function act(peer: Peer, action: Action, args: readonly unknown[]): Promise<unknown> {
  return (peer[action] as (...args: unknown[]) => Promise<unknown>).apply(peer, [...args]);
}
