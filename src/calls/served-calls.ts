/** The calls and messages of one connection that the peer sent: decoded, run, answered exactly once. */

import type { FrameView } from "../codec/index.js";
import { codeOfStatus, FramewireError, isCallErrorCode, peersError, statusOf } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { decodeMessage, encodeOwned } from "../protobuf/messages.js";
import { type Command, cmdName, type Handler } from "../protocol/commands.js";
import { Credit } from "../protocol/control-messages.js";
import type { MessageCodec } from "../protocol/definition.js";
import { KIND_CREDIT, KIND_ITEM, KIND_RESPONSE } from "../protocol/frame-kind.js";
import { type DeadlineOwner, type Deadlines, newDeadlines } from "../runtime/deadlines.js";
import { failureOf, pending } from "../runtime/guard.js";
import type { HeapEntry } from "../runtime/heap.js";
import { CALL_MEMORY, messageMemory } from "../runtime/memory-costs.js";
import { newOpenCalls } from "../runtime/open-calls.js";
import { serving } from "../runtime/serving.js";
import type { InvalidEvent } from "../session/events.js";
import { explain } from "../session/explain.js";
import { checkMetadata, decodeExt, encodeExt, encodeFailure } from "../session/metadata.js";
import { Outgoing } from "../session/outgoing.js";
import type { CallContext, CallFacts } from "./context.js";
import { ITEM_OVERHEAD, ReceiveCredit, SendCredit } from "./credit.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";
import { ItemQueue } from "./item-queue.js";
import { closeSource, isSource, type Pump, pump } from "./pump.js";

interface ServedCall extends HeapEntry {
  readonly id: number;
  readonly command: Command;
  readonly context: CallContext;
  readonly requests: ItemQueue<unknown> | undefined;
  readonly receiveCredit: ReceiveCredit | undefined;
  readonly sendCredit: SendCredit | undefined;
  pump: Pump | undefined;
  /** Its handler has not returned, or the stream that it returned has not ended. */
  running: boolean;
  /** Memory of the call and its request while its handler runs, and whether that is counted now. */
  readonly memory: number;
  counted: boolean;
}

/** What an answer has of its command; of one that nothing here handles there is no more. */
type Called = Pick<Command, "cmd" | "name" | "reliable">;

const NO_FACTS: CallFacts = { metadata: Object.create(null) as CallFacts["metadata"], trace: undefined, timeoutMs: 0 };

export class ServedCalls implements DeadlineOwner<ServedCall> {
  readonly #host: CallHost;
  readonly #dispatcher: Dispatcher;
  readonly #facade: unknown;
  readonly #calls = newOpenCalls<ServedCall>();
  /** Made for the first call that has one. */
  #deadlines: Deadlines<ServedCall> | undefined;
  /** Handlers of one-way messages that have not returned. */
  #messages = 0;
  /** Handlers that still run though their call has ended. */
  #late = 0;

  /** `facade` is what handlers see as `context.connection`. */
  constructor(host: CallHost, dispatcher: Dispatcher, facade: unknown) {
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#facade = facade;
  }

  /** Calls that are served, and handlers of one-way messages that have not returned. */
  get size(): number {
    return this.#calls.size + this.#messages;
  }

  /** Whether no handler runs, those whose call has ended included. */
  get idle(): boolean {
    return this.size === 0 && this.#late === 0;
  }

  /** Those of them that serve one-way messages. */
  get messages(): number {
    return this.#messages;
  }

  /** A one-way message: nothing goes back, whatever happens. */
  onMessage(frame: FrameView): void {
    const handler = this.#dispatcher.registry.get(frame.cmd);
    if (handler === undefined) return this.#host.invalid(unknownCommand(frame.cmd));
    const { command } = handler;
    if (command.requestStream || command.responseStream) return this.#host.invalid(wrongKind(command, "it was sent as a message"));
    if (serving && this.#host.callRoom === 0) return this.#host.exceed("rate-exceeded", OVERRUN);
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
    const context = this.#dispatcher.context(this.#facade, command, facts, this.#host.clock);
    try {
      const running = pending(this.#dispatcher.run(handler, request, context));
      if (running === undefined) return serving ? context.end?.() : undefined;
      this.#messages++;
      if (serving) this.#host.held(memory);
      const done = () => {
        if (serving) context.end?.();
        this.#messages--;
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

  /** A call. False if its id is in use or breaks the rules. */
  onRequest(frame: FrameView): boolean {
    const id = frame.callIdNumber;
    if (id === 0 || this.#calls.has(id)) return false;
    const cmd = frame.cmd;
    const handler = this.#dispatcher.registry.get(cmd);
    if (handler === undefined) {
      const unknown = unknownCommand(cmd);
      this.#host.invalid(unknown);
      this.#respondError({ cmd, name: unknown.command, reliable: true }, id, unknown.error);
      return true;
    }
    const { command } = handler;
    const refusal = this.#refusal(command);
    if (refusal !== undefined) {
      this.#respondError(command, id, refusal);
      return true;
    }
    let facts: CallFacts;
    let request: unknown;
    try {
      facts = factsOf(frame);
      request = command.requestStream ? undefined : decodeRequest(command, frame);
    } catch (error) {
      this.#host.invalid(undecodable(command, error));
      this.#respondError(command, id, error);
      return true;
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

  /** Calls of which frames may be lost fail, and their callers are told. */
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
    const context = this.#dispatcher.context(this.#facade, command, facts, this.#host.clock);
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
      pump: undefined,
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
        this.#count(call);
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
    if (!serving) return;
    call.counted = true;
    this.#host.held(call.memory);
  }

  /** The handler of a call, or the stream that it returned, runs no more. */
  #handled(call: ServedCall): void {
    if (!call.running) return;
    call.running = false;
    if (serving && call.counted) {
      this.#host.held(-call.memory);
      call.counted = false;
    }
    if (this.#isOpen(call)) return;
    this.#late--;
    this.#dispatcher.lateHandlers--;
  }

  #threw(call: ServedCall, error: unknown): void {
    this.#handled(call);
    this.#fail(call, error);
  }

  #returned(call: ServedCall, result: unknown): void {
    this.#handled(call);
    const { command } = call;
    if (!this.#isOpen(call)) {
      if (command.responseStream) closeSource(result);
      return;
    }
    if (!command.responseStream) return this.#respond(call, command.response, result);
    call.running = true;
    this.#count(call);
    call.pump = pump(result as AsyncIterable<unknown>, {
      sourceEnded: (error) => {
        if (error !== undefined) this.#host.failed({ command: command.name, error });
        this.#handled(call);
      },
      credit: call.sendCredit as SendCredit,
      whenWritable: () => this.#host.whenWritable(),
      send: (message) => {
        const payload = encodeOwned(command.response, message);
        this.#send(call, KIND_ITEM, payload);
        return payload.length;
      },
    });
    call.pump.done.then(
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
    this.#end(call, frame);
  }

  /** Nothing may throw between the two: a call that is forgotten and not answered is never answered. */
  #end(call: ServedCall, response: Outgoing): void {
    this.#forget(call);
    this.#host.answer(response);
    this.#host.callSettled();
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
    this.#end(call, this.#errorResponse(call.command, call.id, reason, call.context));
  }

  /** A FramewireError with a call code is meant for the caller. Anything else is ours to know: the caller learns `internal` and no more. */
  #errorResponse(command: Called, callId: number, error: unknown, context?: CallContext): Outgoing {
    const { name } = command;
    const meant = error instanceof FramewireError && isCallErrorCode(error.code);
    const status = meant ? statusOf(error.code as Parameters<typeof statusOf>[0]) : statusOf("internal");
    if (!meant) this.#host.failed(failureOf(error, name));
    const frame = new Outgoing(command, KIND_RESPONSE, callId, command.reliable);
    frame.status = status;
    const text = meant ? error.message : `${name}: the handler failed (${codeOfStatus(status)})`;
    const { maxExt } = this.#host;
    try {
      const metadata = { ...checkMetadata(context?.responseMetadata), ...(meant ? checkMetadata(error.metadata) : undefined) };
      frame.ext = encodeFailure(metadata, text, maxExt);
    } catch (cause) {
      // The text goes without metadata that cannot be sent.
      frame.ext = encodeFailure(undefined, text, maxExt);
      if (meant) this.#host.failed({ command: name, error: cause });
    }
    return frame;
  }

  /** Answers a request that never became a call. */
  #respondError(command: Called, callId: number, error: unknown): void {
    this.#host.answer(this.#errorResponse(command, callId, error));
  }

  /** Ends a call without an answer. */
  #drop(call: ServedCall, message: string): void {
    if (!this.#isOpen(call)) return;
    call.context.abort("cancelled", message);
    call.requests?.abort({ code: "cancelled", message, fault: "remote" });
    this.#forget(call);
    this.#host.callSettled();
  }

  #forget(call: ServedCall): void {
    this.#calls.delete(call.id);
    this.#deadlines?.remove(call);
    if (serving) call.context.end?.();
    if (call.running) {
      this.#late++;
      this.#dispatcher.lateHandlers++;
    }
    call.requests?.abort({ code: "cancelled", message: `${call.command.name}: the call is over` });
    call.pump?.stop();
  }
}

/** Why fewer calls are begun for a peer than `maxCalls`. */
export const OVERRUN = "too many handlers still run whose calls have ended, on all connections, for maxServerBytes";

/** Memory of a call or message whose handler runs. */
export function callMemory({ start, end }: FrameView): number {
  return serving ? CALL_MEMORY + messageMemory(end - start) : 0;
}

/** Decodes a request. @throws FramewireError `invalid-argument`. */
export function decodeRequest(command: Command, frame: FrameView): unknown {
  try {
    return decodeMessage(command.request, frame);
  } catch (cause) {
    throw peersError("invalid-argument", `the payload is not a valid request of ${command.name}`, cause);
  }
}

/** The event for a command that has no handler. */
export function unknownCommand(cmd: number): InvalidEvent {
  const command = cmdName(cmd);
  return { reason: "unknown-command", cmd, command, error: peersError("unimplemented", `no handler for the command ${command}`) };
}

/** The event for a command that streams, and was not called so: `how` it was. */
export function wrongKind({ cmd, name }: Command, how: string): InvalidEvent {
  return { reason: "wrong-kind", cmd, command: name, error: peersError("unimplemented", `${name} streams; ${how}`) };
}

/** The event for what {@link decodeRequest} has thrown. */
export function undecodable({ cmd, name }: Command, error: unknown): InvalidEvent {
  return { reason: "undecodable", cmd, command: name, error: error as FramewireError };
}

function factsOf(frame: FrameView): CallFacts {
  const { ext, trace } = frame;
  const timeoutMs = frame.timeoutMs ?? 0;
  if (ext === undefined && trace === undefined && timeoutMs === 0) return NO_FACTS;
  try {
    return { metadata: decodeExt(ext).metadata, trace, timeoutMs };
  } catch (cause) {
    throw peersError("invalid-argument", "the ext field is not a valid FrameExt", cause);
  }
}
