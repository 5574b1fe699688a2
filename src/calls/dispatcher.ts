/** From a command number to its handler's result, through the middleware. */
import { FramewireError, peersError } from "../errors.js";
import { type Command, CommandRegistry, cmdName, type Handler } from "../protocol/commands.js";
import type { Clock } from "../runtime/clock.js";
import { handled, pending, thrownBy } from "../runtime/guard.js";
import { serving } from "../runtime/serving.js";
import type { InvalidEvent } from "../session/events.js";
import { CallContext, type CallFacts } from "./context.js";

/**
 * Code around every call that is served: an onion, the first added outermost. `next` runs the rest and gives the
 * handler's result: the reply, an AsyncIterable for methods that stream responses, `undefined` for one-way commands.
 */
export type Middleware<C = unknown> = (context: CallContext<C>, next: () => Promise<unknown>) => unknown;

/** The handlers and middleware of one server or client. */
export class Dispatcher {
  readonly registry = new CommandRegistry();
  /** Decides, before all middleware, whether a call may be made: returning false or throwing refuses it. */
  authorize: ((context: CallContext) => unknown) | undefined;
  /** Handlers, of all connections, that still run though their call has ended. */
  lateHandlers = 0;
  readonly #middleware: Middleware<never>[] = [];

  use(middleware: Middleware<never>): void {
    this.#middleware.push(middleware);
  }

  /** The event for a command that has no handler. */
  unknown(cmd: number): InvalidEvent {
    const command = cmdName(cmd);
    return { reason: "unknown-command", cmd, command, error: peersError("unimplemented", `no handler for the command ${command}`) };
  }

  /** What a handler gets as its context. */
  context(connection: unknown, command: Command, facts: CallFacts, clock: Clock): CallContext {
    return new CallContext(connection, command, facts, clock);
  }

  /** Runs a handler. The result may be a promise; what the handler throws is thrown or rejected. */
  run(handler: Handler, request: unknown, context: CallContext): unknown {
    if (!serving || this.authorize === undefined) return this.#run(handler, request, context);
    let verdict: unknown;
    try {
      verdict = this.authorize(context);
    } catch (error) {
      throw thrownBy("authorize", error);
    }
    // Every promise is waited for, so that none of any make is taken for a yes.
    const thought = pending(verdict);
    if (thought === undefined) return this.#runIf(verdict, handler, request, context);
    return thought.then(
      (allowed) => this.#runIf(allowed, handler, request, context),
      (error) => {
        throw thrownBy("authorize", error);
      },
    );
  }

  #runIf(allowed: unknown, handler: Handler, request: unknown, context: CallContext): unknown {
    if (allowed === false) throw new FramewireError("permission-denied", `${context.command.name} is not for this caller`);
    return this.#run(handler, request, context);
  }

  #run(handler: Handler, request: unknown, context: CallContext): unknown {
    if (this.#middleware.length === 0) return handler.run(request as never, context as never);
    const from = (index: number): unknown => {
      const middleware = this.#middleware[index];
      if (middleware === undefined) return handler.run(request as never, context as never);
      // Middleware may leave what `next` gives un-awaited.
      return middleware(context as never, () => handled((async () => from(index + 1))()));
    };
    return from(0);
  }
}
