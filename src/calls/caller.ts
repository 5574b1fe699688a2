/** What typed clients call through, and the interceptors that may stand in between. */

import type { Command } from "../protocol/commands.js";
import { handled } from "../runtime/guard.js";
import type { Sent } from "../session/events.js";
import type { CallOptions } from "./call-options.js";
import { closeSource } from "./send-stream.js";

/** The calls of every kind: a connection, or one with interceptors around it. */
export interface Caller {
  /** Sends a one-way message. No promise: it was handed over at once. */
  send(command: Command, message: unknown, options?: CallOptions): Sent | Promise<Sent>;
  /** A method with one reply. `request` is the message or, if the method streams its requests, their source. */
  call(command: Command, request: unknown, options?: CallOptions): Promise<unknown>;
  /** The same for a method that streams its responses. */
  stream(command: Command, request: unknown, options?: CallOptions): AsyncIterable<unknown>;
}

/** A call on its way out, as interceptors see it. What they change is what is sent. */
export interface InterceptedCall {
  readonly command: Command;
  /** The request, or the source of the request stream. */
  request: unknown;
  options: CallOptions;
}

/**
 * Code around every call that is made: an onion, the first added outermost. `next` makes the call and gives its
 * outcome: the reply, an AsyncIterable for methods that stream responses, a `Sent` for one-way commands.
 * Calling `next` again makes the call again.
 */
export type Interceptor = (call: InterceptedCall, next: () => Promise<unknown>) => PromiseLike<unknown>;

/** Puts interceptors around a caller. */
export class InterceptedCaller implements Caller {
  readonly #caller: Caller;
  readonly #interceptors: Interceptor[] = [];

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  add(interceptor: Interceptor): void {
    this.#interceptors.push(interceptor);
  }

  send(command: Command, request: unknown, options: CallOptions = {}): Sent | Promise<Sent> {
    if (this.#interceptors.length === 0) return this.#caller.send(command, request, options);
    return this.#run({ command, request, options }, (call) => this.#caller.send(command, call.request, call.options)) as Promise<Sent>;
  }

  call(command: Command, request: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#interceptors.length === 0) return this.#caller.call(command, request, options);
    return this.#run({ command, request, options }, (call) => this.#caller.call(command, call.request, call.options));
  }

  stream(command: Command, request: unknown, options: CallOptions = {}): AsyncIterable<unknown> {
    if (this.#interceptors.length === 0) return this.#caller.stream(command, request, options);
    const run = () => this.#run({ command, request, options }, (call) => this.#caller.stream(command, call.request, call.options));
    return {
      async *[Symbol.asyncIterator]() {
        yield* (await run()) as AsyncIterable<unknown>;
      },
    };
  }

  async #run(call: InterceptedCall, last: (call: InterceptedCall) => unknown): Promise<unknown> {
    const { request } = call;
    let made = false;
    const from = async (index: number): Promise<unknown> => {
      const interceptor = this.#interceptors[index];
      // Awaited, so that V8 finds the way from an error to the caller's line.
      if (interceptor !== undefined) return await interceptor(call, () => handled(from(index + 1)));
      made = true;
      return await last(call);
    };
    try {
      return await from(0);
    } finally {
      if (!made && call.command.requestStream) closeSource(request);
    }
  }
}
