/** The one-way messages of one connection that the peer sent: decoded, run, never answered. */

import type { FrameView } from "../codec/index.js";
import { failureOf, pending } from "../runtime/guard.js";
import { serving } from "../runtime/serving.js";
import type { CallFacts } from "./context.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";
import { callMemory, decodeRequest, factsOf, handlerOf, undecodable } from "./received-request.js";

export class ServedMessages {
  readonly #host: CallHost;
  readonly #dispatcher: Dispatcher;
  readonly #handle: unknown;
  #running = 0;

  /** `handle` is what handlers see as `context.connection`. */
  constructor(host: CallHost, dispatcher: Dispatcher, handle: unknown) {
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#handle = handle;
  }

  /** Handlers that have not returned. */
  get size(): number {
    return this.#running;
  }

  /** A one-way message: nothing goes back, whatever happens. */
  onMessage(frame: FrameView): void {
    const handler = handlerOf(this.#host, this.#dispatcher, frame.cmd, "it was sent as a message");
    if (handler === undefined) return;
    const { command } = handler;
    let facts: CallFacts;
    let request: unknown;
    try {
      facts = factsOf(frame);
      request = decodeRequest(command, frame);
    } catch (error) {
      return this.#host.invalid(undecodable(command, error));
    }
    const failed = (error: unknown) => this.#host.failed(failureOf(error, command.name));
    const memory = callMemory(frame);
    const context = this.#dispatcher.context(this.#handle, command, facts, this.#host.clock);
    try {
      const running = pending(this.#dispatcher.run(handler, request, context));
      if (running === undefined) return serving ? context.end?.() : undefined;
      this.#running++;
      if (serving) this.#host.held(memory);
      const done = () => {
        if (serving) context.end?.();
        this.#running--;
        if (serving) this.#host.held(-memory);
        this.#host.callSettled();
      };
      running.then(done, (error) => {
        failed(error);
        done();
      });
    } catch (error) {
      if (serving) context.end?.();
      failed(error);
    }
  }
}
