/**
 * Version 1 peers: five fields and no session. Messages either way; a request's reply is the next frame back with
 * the request's cmd, in request order. docs/wire.md section 5.
 */
import type { FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import type { CallOptions } from "./calls.js";
import type { Timer } from "./clock.js";
import { type Command, cmdName } from "./commands.js";
import { CallContext } from "./context.js";
import { Deque } from "./deque.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";
import { decodeMessage, encodeMessage } from "./messages.js";
import { Outgoing } from "./outgoing.js";
import { decodeRequest, isPeersFault, unimplemented } from "./served-calls.js";

/** A request whose reply has not gone back. Replies leave in request order. */
interface ReplySlot {
  state: "running" | "ready" | "nothing";
  payload: Uint8Array | undefined;
  readonly cmd: number;
}

/** A request that waits for the peer's reply. One that timed out keeps its place, so that its late reply is not taken for the next one's. */
interface PendingRequest {
  readonly command: Command;
  settle: ((error: FramewireError | undefined, reply?: unknown) => void) | undefined;
}

const NO_FACTS = { metadata: {}, trace: undefined, timeoutMs: 0 };

export class V1Exchange {
  readonly #host: CallHost;
  readonly #dispatcher: Dispatcher;
  readonly #facade: unknown;
  readonly #slots = new Deque<ReplySlot>();
  readonly #pending = new Map<number, Deque<PendingRequest>>();

  constructor(host: CallHost, dispatcher: Dispatcher, facade: unknown) {
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#facade = facade;
  }

  /** Handlers that have not returned. */
  get size(): number {
    return this.#slots.length;
  }

  onFrame(frame: FrameView): void {
    const pending = this.#pending.get(frame.cmd);
    if (pending !== undefined && pending.length > 0) return this.#onReply(pending.shift() as PendingRequest, frame);
    const handler = this.#dispatcher.registry.get(frame.cmd);
    if (handler === undefined) {
      this.#host.useless();
      return this.#host.failed({ command: cmdName(frame.cmd), error: unimplemented(frame.cmd) });
    }
    const { command } = handler;
    const failed = (error: unknown) => this.#host.failed({ command: command.name, error });
    if (command.requestStream || command.responseStream) {
      return failed(new FramewireError("unimplemented", `${command.name} streams, which version 1 peers cannot`));
    }
    const slot: ReplySlot = { state: "running", payload: undefined, cmd: command.cmd };
    this.#slots.push(slot);
    const returned = (reply: unknown) => {
      if (reply === undefined || command.oneWay) {
        slot.state = "nothing";
      } else {
        slot.payload = encodeMessage(command.response, reply);
        slot.state = "ready";
      }
      this.#reply();
    };
    const threw = (error: unknown) => {
      if (isPeersFault(error)) this.#host.useless();
      failed(error);
      slot.state = "nothing";
      this.#reply();
    };
    try {
      const request = decodeRequest(command, frame);
      const result = this.#dispatcher.run(handler, request, new CallContext(this.#facade, command, NO_FACTS, this.#host.clock));
      if (result instanceof Promise) result.then(returned).catch(threw);
      else returned(result);
    } catch (error) {
      threw(error);
    }
  }

  /** A call with one reply; metadata and deadlines cannot travel. */
  call(command: Command, request: unknown, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (command.requestStream || command.responseStream) {
        reject(new FramewireError("unimplemented", `${command.name} streams, which a version 1 peer cannot`));
        return;
      }
      const { signal } = options;
      if (signal?.aborted === true) {
        reject(new FramewireError("cancelled", `${command.name} was cancelled`, { cause: signal.reason }));
        return;
      }
      let timer: Timer | undefined;
      const frame = message(command.cmd, encodeMessage(command.request, request), true);
      const giveUp = (error: FramewireError) => {
        pending.settle?.(error);
        if (!frame.sent) this.#host.withdraw((waiting) => waiting === frame);
      };
      const onAbort = () => giveUp(new FramewireError("cancelled", `${command.name} was cancelled`, { cause: signal?.reason }));
      const pending: PendingRequest = {
        command,
        settle: (error, reply) => {
          pending.settle = undefined;
          timer?.cancel();
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) resolve(reply);
          else reject(error);
        },
      };
      // Replies come in the order of the requests on the wire: a request has no place there before it went out.
      frame.owner = { frameSettled: (error) => (error === undefined ? this.#awaitReply(pending) : pending.settle?.(error)) };
      try {
        this.#host.post(frame);
      } catch (error) {
        reject(error);
        return;
      }
      const timeoutMs = options.timeoutMs ?? this.#host.options.timeoutMs;
      if (timeoutMs > 0) {
        timer = this.#host.clock.setTimer(timeoutMs, () =>
          giveUp(new FramewireError("deadline-exceeded", `${command.name} took longer than ${timeoutMs} ms`)),
        );
      }
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** The link is gone and with it every request under way. */
  end(message: string): void {
    this.#slots.clear();
    const pending = [...this.#pending.values()].flatMap((queue) => [...queue]);
    this.#pending.clear();
    for (const request of pending) request.settle?.(new FramewireError("unavailable", `${request.command.name}: ${message}`));
  }

  #awaitReply(request: PendingRequest): void {
    const { cmd } = request.command;
    let queue = this.#pending.get(cmd);
    if (queue === undefined) this.#pending.set(cmd, (queue = new Deque()));
    queue.push(request);
  }

  #onReply(request: PendingRequest, frame: FrameView): void {
    if (request.settle === undefined) return;
    try {
      request.settle(undefined, decodeMessage(request.command.response, frame));
    } catch (cause) {
      request.settle?.(
        new FramewireError("internal", `the reply of ${request.command.name} could not be read`, { fault: "remote", cause }),
      );
    }
  }

  #reply(): void {
    for (let slot = this.#slots.peek(); slot !== undefined && slot.state !== "running"; slot = this.#slots.peek()) {
      this.#slots.shift();
      if (slot.state === "ready") this.#host.answer(message(slot.cmd, slot.payload, false));
      this.#host.callSettled();
    }
  }
}

/** `waits`: without a link it waits for the next one. */
function message(cmd: number, payload: Uint8Array | undefined, waits: boolean): Outgoing {
  const frame = new Outgoing(cmd, undefined, undefined, waits);
  frame.payload = payload;
  return frame;
}
