/** What typed clients call through, and the interceptors that may stand in between. */
import type { CallOptions } from "./calls.js";
import type { Command } from "./commands.js";
import type { MessageSource } from "./definition.js";

/** The calls of every kind: a connection, or one with interceptors around it. */
export interface Caller {
  /** Resolves when the message went out; `undefined`: it is out already. */
  send(command: Command, message: unknown, options?: CallOptions): Promise<void> | undefined;
  unary(command: Command, request: unknown, options?: CallOptions): Promise<unknown>;
  serverStream(command: Command, request: unknown, options?: CallOptions): AsyncIterable<unknown>;
  clientStream(command: Command, requests: MessageSource<unknown>, options?: CallOptions): Promise<unknown>;
  bidiStream(command: Command, requests: MessageSource<unknown>, options?: CallOptions): AsyncIterable<unknown>;
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
 * outcome: the reply, an AsyncIterable for methods that stream responses, `undefined` for one-way commands.
 * Calling `next` again makes the call again.
 */
export type Interceptor = (call: InterceptedCall, next: () => Promise<unknown>) => Promise<unknown>;

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

  send(command: Command, message: unknown, options?: CallOptions): Promise<void> | undefined {
    if (this.#interceptors.length === 0) return this.#caller.send(command, message, options);
    return this.#run({ command, request: message, options: options ?? {} }, (call) =>
      this.#caller.send(command, call.request, call.options),
    ) as Promise<void>;
  }

  unary(command: Command, request: unknown, options?: CallOptions): Promise<unknown> {
    if (this.#interceptors.length === 0) return this.#caller.unary(command, request, options);
    return this.#run({ command, request, options: options ?? {} }, (call) => this.#caller.unary(command, call.request, call.options));
  }

  clientStream(command: Command, requests: MessageSource<unknown>, options?: CallOptions): Promise<unknown> {
    return this.#run({ command, request: requests, options: options ?? {} }, (call) =>
      this.#caller.clientStream(command, call.request as MessageSource<unknown>, call.options),
    );
  }

  serverStream(command: Command, request: unknown, options?: CallOptions): AsyncIterable<unknown> {
    return this.#stream({ command, request, options: options ?? {} }, (call) =>
      this.#caller.serverStream(command, call.request, call.options),
    );
  }

  bidiStream(command: Command, requests: MessageSource<unknown>, options?: CallOptions): AsyncIterable<unknown> {
    return this.#stream({ command, request: requests, options: options ?? {} }, (call) =>
      this.#caller.bidiStream(command, call.request as MessageSource<unknown>, call.options),
    );
  }

  #stream(call: InterceptedCall, last: (call: InterceptedCall) => AsyncIterable<unknown>): AsyncIterable<unknown> {
    if (this.#interceptors.length === 0) return last(call);
    const run = () => this.#run(call, last) as Promise<AsyncIterable<unknown>>;
    return {
      async *[Symbol.asyncIterator]() {
        yield* await run();
      },
    };
  }

  async #run(call: InterceptedCall, last: (call: InterceptedCall) => unknown): Promise<unknown> {
    const from = async (index: number): Promise<unknown> => {
      const interceptor = this.#interceptors[index];
      return interceptor === undefined ? last(call) : interceptor(call, () => from(index + 1));
    };
    return from(0);
  }
}
