/** The calls of one connection that the peer opened: decoded, run, answered exactly once. */

import type { FrameView } from "../codec/index.js";
import { FramewireError, peersError } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { encodeOwned } from "../protobuf/messages.js";
import type { Command, Handler } from "../protocol/commands.js";
import { Credit } from "../protocol/control-messages.js";
import type { MessageCodec } from "../protocol/definition.js";
import { KIND_CREDIT, KIND_ITEM, KIND_RESPONSE } from "../protocol/frame-kind.js";
import { type DeadlineOwner, type Deadlines, newDeadlines } from "../runtime/deadlines.js";
import { pending } from "../runtime/guard.js";
import type { HeapEntry } from "../runtime/heap.js";
import { newOpenCalls } from "../runtime/open-calls.js";
import { serving } from "../runtime/serving.js";
import { explain } from "../session/explain.js";
import { encodeExt } from "../session/metadata.js";
import { Outgoing } from "../session/outgoing.js";
import type { CallContext, CallFacts } from "./context.js";
import { ITEM_OVERHEAD, ReceiveCredit, SendCredit } from "./credit.js";
import type { Dispatcher } from "./dispatcher.js";
import { type Called, errorResponse } from "./error-response.js";
import type { CallHost } from "./host.js";
import { ItemQueue } from "./item-queue.js";
import { callMemory, decodeRequest, factsOf, OVERRUN, undecodable } from "./received-request.js";
import { closeSource, isSource, type StreamSender, sendStream } from "./send-stream.js";
import { ServedMessages } from "./served-messages.js";

interface ServedCall extends HeapEntry {
  readonly id: number;
  readonly command: Command;
  readonly context: CallContext;
  readonly requests: ItemQueue<unknown> | undefined;
  readonly receiveCredit: ReceiveCredit | undefined;
  readonly sendCredit: SendCredit | undefined;
  sender: StreamSender | undefined;
  /** Its handler has not returned, or the stream that it returned has not ended. */
  running: boolean;
  /** Memory of the call and its request while its handler runs, and whether that is counted now. */
  readonly memory: number;
  counted: boolean;
}

export class ServedCalls implements DeadlineOwner<ServedCall> {
  readonly #host: CallHost;
  readonly #dispatcher: Dispatcher;
  readonly #handle: unknown;
  readonly #calls = newOpenCalls<ServedCall>();
  /** Made for the first call that has one. */
  #deadlines: Deadlines<ServedCall> | undefined;
  /** Made for the first one-way message. */
  #messages: ServedMessages | undefined;
  /** Handlers that still run though their call has ended. */
  #late = 0;

  /** `handle` is what handlers see as `context.connection`. */
  constructor(host: CallHost, dispatcher: Dispatcher, handle: unknown) {
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#handle = handle;
  }

  /** Calls that are served, and handlers of one-way messages that have not returned. */
  get size(): number {
    return this.#calls.size + this.messages;
  }

  /** Whether no handler runs, those whose call has ended included. */
  get idle(): boolean {
    return this.size === 0 && this.#late === 0;
  }

  /** Those of them that serve one-way messages. */
  get messages(): number {
    return this.#messages === undefined ? 0 : this.#messages.size;
  }

  onMessage(frame: FrameView): void {
    this.#messages ??= new ServedMessages(this.#host, this.#dispatcher, this.#handle);
    this.#messages.onMessage(frame);
  }

  /** A call. False if its id is in use or breaks the rules. */
  onRequest(frame: FrameView): boolean {
    const id = frame.callIdNumber;
    if (id === 0 || this.#calls.has(id)) return false;
    const cmd = frame.cmd;
    const handler = this.#dispatcher.registry.get(cmd);
    if (handler === undefined) {
      const unknown = this.#dispatcher.unknown(cmd);
      this.#host.invalid(unknown);
      return this.#refuse({ cmd, name: unknown.command, reliable: true }, id, unknown.error);
    }
    const { command } = handler;
    const refusal = this.#refusal(command);
    if (refusal !== undefined) return this.#refuse(command, id, refusal);
    let facts: CallFacts;
    let request: unknown;
    try {
      facts = factsOf(frame);
      request = command.requestStream ? undefined : decodeRequest(command, frame);
    } catch (error) {
      this.#host.invalid(undecodable(command, error));
      return this.#refuse(command, id, error);
    }
    this.#start(id, handler, request, facts, callMemory(frame));
    return true;
  }

  /** Why no call can be served now. */
  #refusal({ name }: Command): FramewireError | undefined {
    const { draining, options } = this.#host;
    const { maxCalls } = options;
    if (serving && draining) return peersError("unavailable", `${name}: the server is closing; nothing of the call was done`);
    const room = serving ? this.#host.callRoom : maxCalls;
    if (this.#calls.size + this.#late < room) return undefined;
    const late = explain === undefined ? "" : explain.late(this.#late);
    const full = `${this.#calls.size} calls are in flight${late}; the receiver's maxCalls is ${maxCalls}`;
    const error = peersError("resource-exhausted", `${name}: ${serving && room < maxCalls ? OVERRUN : full}`);
    this.#host.limited(error);
    return error;
  }

  /** False if the peer sent more than its credit. */
  onItem(frame: FrameView): boolean {
    const call = this.#calls.get(frame.callIdNumber);
    if (call?.receiveCredit === undefined) return true;
    const length = frame.payloadEnd - frame.payloadStart;
    if (!call.receiveCredit.take(length)) return false;
    try {
      call.requests?.push(decodeRequest(call.command, frame), length + ITEM_OVERHEAD);
    } catch (error) {
      this.#host.invalid(undecodable(call.command, error));
      this.#fail(call, error);
    }
    return true;
  }

  onEnd(callId: number): void {
    this.#calls.get(callId)?.requests?.end();
  }

  onCredit(callId: number, bytes: number): void {
    this.#calls.get(callId)?.sendCredit?.add(bytes);
  }

  onCancel(callId: number): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    this.#host.withdraw(callId);
    this.#drop(call, `${call.command.name}: the caller gave the call up`);
  }

  /** The calls end with the connection; nothing is sent any more. */
  abortWhere(match: (command: Command) => boolean, message: string): void {
    for (const call of [...this.#calls.values()]) {
      if (match(call.command)) this.#drop(call, `${call.command.name}: ${message}`);
    }
  }

  /** Calls of which frames may be lost fail. Their callers get the error. */
  failWhere(match: (command: Command) => boolean, error: FramewireError): void {
    for (const call of [...this.#calls.values()]) {
      if (!match(call.command)) continue;
      call.context.abort("cancelled", error.message);
      this.#fail(call, error);
    }
  }

  /** Whether a call is open; in a new session another one may have its number. */
  #isOpen(call: ServedCall): boolean {
    return this.#calls.get(call.id) === call;
  }

  /** Lets a timer go that runs for no call, when most have ended together. */
  close(): void {
    this.#deadlines?.clear();
  }

  #start(id: number, handler: Handler, request: unknown, facts: CallFacts, memory: number): void {
    const { command } = handler;
    const context = this.#dispatcher.context(this.#handle, command, facts, this.#host.clock);
    let call: ServedCall;
    const requests = command.requestStream
      ? new ItemQueue<unknown>({
          consumed: (cost) => this.#grant(call, cost),
          held: (bytes) => this.#host.held(bytes),
          abandoned: () => {},
        })
      : undefined;
    call = {
      id,
      command,
      context,
      requests,
      receiveCredit: command.requestStream ? new ReceiveCredit(this.#host.options.initialCredit) : undefined,
      sendCredit: command.responseStream ? new SendCredit(this.#host.peerCredit) : undefined,
      sender: undefined,
      running: true,
      memory,
      counted: false,
      at: 0,
      place: -1,
    };
    this.#calls.set(id, call);
    if (context.deadline !== Number.POSITIVE_INFINITY) {
      this.#deadlines ??= newDeadlines(this.#host.clock, this);
      this.#deadlines.add(call, context.deadline);
    }
    try {
      const result = this.#dispatcher.run(handler, requests ?? request, context);
      const running = command.responseStream && isSource(result) ? undefined : pending(result);
      if (running !== undefined) {
        if (serving) this.#count(call);
        running.then(
          (reply) => this.#returned(call, reply),
          (error) => this.#threw(call, error),
        );
      } else {
        this.#returned(call, result);
      }
    } catch (error) {
      this.#threw(call, error);
    }
  }

  /** Until the handler is done, also where its call is over before that. */
  #count(call: ServedCall): void {
    call.counted = true;
    this.#host.held(call.memory);
  }

  /** The handler of a call, or the stream that it returned, has ended. */
  #handlerEnded(call: ServedCall): void {
    if (!call.running) return;
    call.running = false;
    if (serving && call.counted) {
      this.#host.held(-call.memory);
      call.counted = false;
    }
    if (this.#isOpen(call)) return;
    this.#late--;
    if (serving) this.#dispatcher.lateHandlers--;
  }

  #threw(call: ServedCall, error: unknown): void {
    this.#handlerEnded(call);
    this.#fail(call, error);
  }

  #returned(call: ServedCall, result: unknown): void {
    this.#handlerEnded(call);
    const { command } = call;
    if (!this.#isOpen(call)) {
      if (command.responseStream) closeSource(result);
      return;
    }
    if (!command.responseStream) return this.#respond(call, command.response, result);
    call.running = true;
    if (serving) this.#count(call);
    call.sender = sendStream(result as AsyncIterable<unknown>, {
      sourceEnded: (error) => {
        if (error !== undefined) this.#host.failed({ command: command.name, error });
        this.#handlerEnded(call);
      },
      credit: call.sendCredit as SendCredit,
      whenWritable: () => this.#host.whenWritable(),
      send: (message) => {
        const payload = encodeOwned(command.response, message);
        this.#send(call, KIND_ITEM, payload);
        return payload.length;
      },
    });
    call.sender.done.then(
      () => this.#respond(call, undefined, undefined),
      (error) => this.#fail(call, error),
    );
  }

  #grant(call: ServedCall, cost: number): void {
    const bytes = call.receiveCredit?.consume(cost) ?? 0;
    if (bytes > 0 && this.#isOpen(call)) this.#send(call, KIND_CREDIT, Credit.encode({ bytes }));
  }

  #send(call: ServedCall, kind: FrameKind, payload: Uint8Array): void {
    const frame = new Outgoing(call.command, kind, call.id, call.command.reliable);
    frame.payload = payload;
    this.#host.answer(frame);
  }

  /** Answers a call well: with a message, or with nothing but the end of its response stream. */
  #respond(call: ServedCall, codec: MessageCodec | undefined, message: unknown): void {
    if (!this.#isOpen(call)) return;
    const frame = new Outgoing(call.command, KIND_RESPONSE, call.id, call.command.reliable);
    frame.codec = codec;
    frame.message = message;
    try {
      frame.ext = encodeExt(call.context.responseMetadata);
    } catch (error) {
      return this.#fail(call, error);
    }
    this.#ended(call, frame);
  }

  /** @internal */
  expired(call: ServedCall): void {
    const message = `${call.command.name} did not end before the caller's deadline`;
    call.context.abort("deadline-exceeded", message);
    this.#fail(call, new FramewireError("deadline-exceeded", message));
  }

  #fail(call: ServedCall, error: unknown): void {
    if (!this.#isOpen(call)) return;
    const reason = serving && call.context.reasonOf !== undefined ? call.context.reasonOf(error) : error;
    this.#ended(call, errorResponse(this.#host, call.command, call.id, reason, call.context));
  }

  /** Answers a request that never became a call. */
  #refuse(command: Called, callId: number, error: unknown): true {
    this.#host.answer(errorResponse(this.#host, command, callId, error, undefined));
    return true;
  }

  /** Ends a call without an answer. */
  #drop(call: ServedCall, message: string): void {
    if (!this.#isOpen(call)) return;
    call.context.abort("cancelled", message);
    call.requests?.abort({ code: "cancelled", message, fault: "remote" });
    this.#ended(call, undefined);
  }

  /**
   * Every call ends here, once. `response` carries its status to the caller; without one the caller cancelled the call, or lost it with the
   * connection. Nothing may throw before the response is posted: a call that is forgotten and not answered is never answered.
   */
  #ended(call: ServedCall, response: Outgoing | undefined): void {
    this.#calls.delete(call.id);
    this.#deadlines?.remove(call);
    if (serving) call.context.end?.();
    if (call.running) {
      this.#late++;
      if (serving) this.#dispatcher.lateHandlers++;
    }
    call.requests?.abort({ code: "cancelled", message: `${call.command.name}: the call is over` });
    call.sender?.stop();
    if (response !== undefined) this.#host.answer(response);
    this.#host.callSettled();
  }
}
