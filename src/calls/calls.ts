/** The calls of one connection that this side opened: sends their requests, and settles each exactly once, whatever happens to the link. */

import type { FrameView } from "../codec/index.js";
import { type CallErrorCode, codeOfStatus, FramewireError, inFull } from "../errors.js";
import type { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { decodeMessage, encodeOwned } from "../protobuf/messages.js";
import { type Command, cmdName } from "../protocol/commands.js";
import { Credit } from "../protocol/control-messages.js";
import type { MessageSource } from "../protocol/definition.js";
import { KIND_CANCEL, KIND_CREDIT, KIND_END, KIND_ITEM, KIND_REQUEST } from "../protocol/frame-kind.js";
import { type DeadlineOwner, type Deadlines, newDeadlines } from "../runtime/deadlines.js";
import { newOpenCalls } from "../runtime/open-calls.js";
import { explain } from "../session/explain.js";
import type { Journal } from "../session/journal.js";
import { decodeExt, encodeExt, NO_METADATA } from "../session/metadata.js";
import { Outgoing } from "../session/outgoing.js";
import { type CallOptions, checkCallOptions, timeoutOf } from "./call-options.js";
import { ITEM_OVERHEAD, ReceiveCredit, type SendCredit } from "./credit.js";
import { cancelled, errorOf, type Failure, named, refused, sourceFailure, unreadable } from "./failure.js";
import type { CallHost } from "./host.js";
import { type OpenCall, ReplyCall, StreamCall } from "./open-call.js";
import type { RequestStreams } from "./parts.js";
import { closeSource } from "./send-stream.js";

/** The table of calls that this side opened. */
export class CallTable implements DeadlineOwner<OpenCall> {
  readonly #host: CallHost;
  readonly #calls = newOpenCalls<OpenCall>();
  readonly #deadlines: Deadlines<OpenCall>;
  readonly #parts: RequestStreams;
  readonly #journal: Journal | undefined;
  #nextId: number;

  /** Clients open odd calls, servers even ones. */
  constructor(host: CallHost, side: "client" | "server", parts: RequestStreams, journal?: Journal | undefined) {
    this.#host = host;
    this.#parts = parts;
    this.#journal = journal;
    this.#nextId = side === "client" ? (journal?.firstCallId ?? 1) : 2;
    this.#deadlines = newDeadlines(host.clock, this);
  }

  /** Calls that have not settled. */
  get size(): number {
    return this.#calls.size;
  }

  /** Whether the call is open. */
  has(callId: number): boolean {
    return this.#calls.has(callId);
  }

  /** A call with one reply. `request` is the message or their source. Rejects with a FramewireError that carries a google.rpc.Code. */
  call(command: Command, request: unknown, options: CallOptions): Promise<unknown> {
    return new Promise((resolve) => this.#open(new ReplyCall(this, command, options, resolve), request));
  }

  /** A call that streams its responses. It is opened when the first of them is asked for. */
  stream(command: Command, request: unknown, options: CallOptions): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]: () => {
        const call = new StreamCall(this, command, options);
        this.#open(call, request);
        return call.items;
      },
    };
  }

  /** A response or an item of the peer; frames of calls that have settled are late and mean nothing. */
  onResponse(frame: FrameView): void {
    const call = this.#calls.get(frame.callIdNumber);
    if (call === undefined) return this.#host.answered(frame.callIdNumber);
    const status = frame.status ?? 0;
    try {
      const { metadata, message } = decodeExt(frame.ext);
      if (metadata !== NO_METADATA && Object.keys(metadata).length > 0) call.options.onMetadata?.(metadata);
      if (status !== 0) {
        // Where the peer has no name for the command, it has written its number.
        const { cmd, name } = call.command;
        const text = message === "" ? `${name} failed` : inFull ? message.replace(cmdName(cmd), () => name) : message;
        this.settle(call, { code: codeOfStatus(status), message: text, fault: "remote", metadata });
      } else if (call.command.responseStream) {
        this.settle(call, undefined);
      } else {
        this.settle(call, undefined, decodeMessage(call.command.response, frame));
      }
    } catch (cause) {
      this.#unreadable(call, cause);
    }
  }

  /** @internal The request of a call to a version 1 peer went out. */
  awaitReply(call: OpenCall): void {
    this.#host.awaitReply(call.command.cmd, call.id);
  }

  /** The reply of a version 1 peer; that of a call that was given up means nothing. */
  onReply(callId: number, frame: FrameView): void {
    const call = this.#calls.get(callId);
    if (call === undefined) return;
    try {
      this.settle(call, undefined, decodeMessage(call.command.response, frame));
    } catch (cause) {
      this.#unreadable(call, cause);
    }
  }

  #unreadable(call: OpenCall, cause: unknown): void {
    this.settle(call, unreadable("the reply", call.command, cause));
  }

  /** False if the peer sent more than its credit. */
  onItem(frame: FrameView): boolean {
    const call = this.#calls.get(frame.callIdNumber);
    if (call?.receiveCredit === undefined) return true;
    const length = frame.payloadEnd - frame.payloadStart;
    if (!call.receiveCredit.take(length)) return false;
    try {
      call.item(decodeMessage(call.command.response, frame), length + ITEM_OVERHEAD);
    } catch (cause) {
      this.cancel(call, unreadable("an item", call.command, cause));
    }
    return true;
  }

  onCredit(callId: number, bytes: number): void {
    this.#calls.get(callId)?.sendCredit?.add(bytes);
  }

  /** Ends the calls that `match` names, in the order they were opened. */
  failWhere(match: (request: Outgoing) => boolean, code: CallErrorCode, message: string): void {
    for (const call of [...this.#calls.values()]) {
      if (match(call.request)) this.settle(call, { code, message: `${call.command.name}: ${message}` });
    }
  }

  /** The same for a session that goes on: the peer gets a cancel, so that it does not run calls whose callers wait no longer. */
  cancelWhere(match: (request: Outgoing, command: Command) => boolean, error: FramewireError): void {
    for (const call of [...this.#calls.values()]) {
      if (match(call.request, call.command)) this.cancel(call, named(call.command.name, error));
    }
  }

  /** Opens a call. The source of requests of one that does not begin is closed. */
  #open(call: OpenCall, request: unknown): void {
    try {
      this.#begin(call, request);
    } catch (error) {
      this.#refuse(call, error);
    }
    if (call.command.requestStream && call.sender === undefined) closeSource(request);
  }

  #refuse(call: OpenCall, cause: unknown): void {
    const error = refused(call.command.name, cause);
    if (this.#calls.get(call.id) === call) this.settle(call, error);
    else call.fail(error);
  }

  #begin(call: OpenCall, request: unknown): void {
    const { command, options } = call;
    const { requestStream, responseStream } = command;
    const { parent } = options;
    checkCallOptions(options);
    if (options.signal !== undefined || parent !== undefined) {
      const ended = [options.signal, parent?.signal].find((signal) => signal?.aborted === true);
      if (ended !== undefined) return call.fail(errorOf(cancelled(command, ended.reason)));
    }
    const streams = requestStream || responseStream;
    const numbered = this.#host.version === 2;
    if (streams && !numbered)
      return call.fail(new FramewireError("unimplemented", `${command.name} has streams, which version 1 peers do not support`));
    const timeoutMs = timeoutOf(options.timeoutMs ?? (streams ? 0 : this.#host.options.timeoutMs), parent);
    call.id = this.#takeId();
    // To version 1 peers a request is a plain message, and metadata and deadlines cannot travel. It waits for a link in any case.
    const frame = numbered
      ? new Outgoing(command, KIND_REQUEST, call.id, command.reliable)
      : new Outgoing(command, undefined, undefined, true);
    call.request = frame;
    frame.owner = call;
    if (timeoutMs > 0) frame.timeoutMs = timeoutMs;
    frame.trace = options.trace ?? parent?.trace;
    frame.ext = encodeExt(options.metadata);
    frame.durable = command.reliable && !streams;
    frame.failsWhenBusy = (options.whenBusy ?? this.#host.options.whenBusy) === "fail";
    if (requestStream) {
      call.sendCredit = this.#parts.sendCredit(this.#host.peerCredit);
    } else {
      frame.codec = command.request;
      frame.message = request;
    }
    if (responseStream) call.receiveCredit = new ReceiveCredit(this.#host.options.initialCredit);
    this.#calls.set(call.id, call);
    this.#host.post(frame);
    if (!this.#calls.has(call.id)) return;
    if (timeoutMs > 0) {
      this.#deadlines.add(call, this.#host.clock.now() + timeoutMs);
    }
    if (options.signal !== undefined || parent !== undefined) this.#listen(call);
    if (requestStream) this.#sendRequests(call, request as MessageSource<unknown>);
  }

  #listen(call: OpenCall): void {
    const { signal, parent } = call.options;
    const signals = [signal, parent?.signal].filter((each) => each !== undefined);
    const onAbort = ({ target }: Event) => this.cancel(call, cancelled(call.command, (target as AbortSignal).reason));
    for (const each of signals) each.addEventListener("abort", onAbort);
    call.unlisten = () => {
      for (const each of signals) each.removeEventListener("abort", onAbort);
    };
  }

  /** @internal */
  expired(call: OpenCall): void {
    const why = explain === undefined ? "" : explain.timeout(call, this.#host, this.size);
    this.cancel(call, { code: "deadline-exceeded", message: `${call.command.name} took longer than ${call.request.timeoutMs} ms${why}` });
  }

  #takeId(): number {
    let id: number;
    do {
      id = this.#nextId;
      this.#nextId = id + 2 > 0xffff_ffff ? 2 - (id & 1) : id + 2;
    } while (this.#calls.has(id));
    this.#journal?.usesCallId(id);
    return id;
  }

  #sendRequests(call: OpenCall, requests: MessageSource<unknown>): void {
    call.sender = this.#parts.sendStream(requests, {
      credit: call.sendCredit as SendCredit,
      whenWritable: () => (call.request.sent ? this.#host.whenWritable() : this.#whenSent(call)),
      send: (message) => {
        const payload = encodeOwned(call.command.request, message);
        this.#post(call, KIND_ITEM, payload);
        return payload.length;
      },
    });
    call.sender.done.then(
      () => this.#tell(call, KIND_END, undefined),
      (error) => this.cancel(call, sourceFailure(call.command, error)),
    );
  }

  /** Items of a call that waits do not wait with it: a queue full of calls would be full of their items as well. */
  async #whenSent(call: OpenCall): Promise<void> {
    await new Promise<void>((resolve) => {
      call.onSent = resolve;
    });
    await this.#host.whenWritable();
  }

  #post(call: OpenCall, kind: FrameKind, payload: Uint8Array | undefined): void {
    const frame = new Outgoing(call.command, kind, call.id, call.command.reliable);
    frame.payload = payload;
    this.#host.post(frame);
  }

  /** @internal As of {@link CallHost}. */
  held(bytes: number): void {
    this.#host.held(bytes);
  }

  /** @internal The reader took items that had cost this much credit. */
  consumed(call: OpenCall, cost: number): void {
    const bytes = call.receiveCredit?.consume(cost) ?? 0;
    if (bytes > 0) this.#tell(call, KIND_CREDIT, Credit.encode({ bytes }));
  }

  /** Sends a frame without which the call cannot go on: if there is no room for it, the call fails. */
  #tell(call: OpenCall, kind: FrameKind, payload: Uint8Array | undefined): void {
    if (!this.#calls.has(call.id)) return;
    try {
      this.#post(call, kind, payload);
    } catch (error) {
      this.cancel(call, named(call.command.name, error as FramewireError));
    }
  }

  /** @internal Takes the frames of a call that still wait back. */
  withdraw({ id, request }: OpenCall): void {
    this.#host.withdraw(id, request);
  }

  /** @internal Gives the call up on this side and notifies the peer, unless no frame of the call was sent. */
  cancel(call: OpenCall, failure: Failure): void {
    if (!this.#calls.has(call.id)) return;
    this.settle(call, failure);
    this.withdraw(call);
    if (!call.request.sent || call.request.callId === undefined) return;
    try {
      this.#post(call, KIND_CANCEL, undefined);
    } catch {
      // No room for the cancel: the call's deadline or the end of the connection ends it over there.
    }
  }

  /** @internal The call is over; whatever comes for it later means nothing. */
  settle(call: OpenCall, failure: Failure | undefined, reply?: unknown): void {
    if (!this.#calls.delete(call.id)) return;
    this.#host.ended(call.request);
    this.#deadlines.remove(call);
    call.unlisten?.();
    call.sender?.stop();
    if (failure === undefined) call.done(reply);
    else call.fail(failure);
    this.#host.callSettled();
  }

  /** Lets a timer go that runs for no call, when most have ended together. */
  close(): void {
    this.#deadlines.clear();
  }
}
