/** The calls of one connection that this side opened: each settles exactly once, whatever happens to the link. */
import type { FrameView } from "../codec/index.js";
import { type CallErrorCode, codeOfStatus, FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { Credit } from "../gen/framewire/v1/session.js";
import type { Timer } from "./clock.js";
import type { Command } from "./commands.js";
import type { CallContext } from "./context.js";
import { ITEM_OVERHEAD, ReceiveCredit, SendCredit } from "./credit.js";
import type { MessageSource } from "./definition.js";
import type { CallHost } from "./host.js";
import { ItemQueue } from "./item-queue.js";
import { encodeMessage } from "./messages.js";
import { decodeExt, encodeExt, type Outgoing } from "./outgoing.js";
import { type Pump, pump } from "./pump.js";

/** What a caller can say about one call. */
export interface CallOptions {
  /** Aborting it cancels the call; a signal that is aborted already sends nothing. */
  readonly signal?: AbortSignal;
  /** Longest time the call may take, waiting for a connection included; 0 = no limit. Default: the connection's `timeoutMs` for calls with one reply, no limit for streams. */
  readonly timeoutMs?: number;
  /** Sent along with the request. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** W3C traceparent, handed to the handler. Default: that of `parent`. */
  readonly trace?: string;
  /** The call being served that this one is made for: its cancellation, what is left of its deadline and its trace are handed on. */
  readonly parent?: CallContext;
  /** Given the metadata of the reply. */
  readonly onMetadata?: (metadata: Readonly<Record<string, string>>) => void;
}

/** Where the outcome of a call goes. */
interface Sink {
  item(message: unknown, cost: number): void;
  /** The call ended well; `reply` is undefined for a method that streams its responses. */
  done(reply: unknown): void;
  fail(error: FramewireError): void;
}

interface OutgoingCall {
  readonly id: number;
  readonly command: Command;
  readonly sink: Sink;
  readonly request: Outgoing;
  readonly options: CallOptions;
  readonly sendCredit: SendCredit | undefined;
  readonly receiveCredit: ReceiveCredit | undefined;
  timer: Timer | undefined;
  unlisten: (() => void) | undefined;
  pump: Pump | undefined;
}

/** The table of calls that this side opened. */
export class CallTable {
  readonly #host: CallHost;
  readonly #calls = new Map<number, OutgoingCall>();
  #nextId: number;

  /** Clients open odd calls, servers even ones. */
  constructor(host: CallHost, side: "client" | "server") {
    this.#host = host;
    this.#nextId = side === "client" ? 1 : 2;
  }

  /** Calls that have not settled. */
  get size(): number {
    return this.#calls.size;
  }

  /** A call with one request and one reply. Rejects with a FramewireError that carries a google.rpc.Code. */
  unary(command: Command, request: unknown, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#open(command, request, options, options.timeoutMs ?? this.#host.options.timeoutMs, {
        item: () => {},
        done: resolve,
        fail: reject,
      });
    });
  }

  /** A call that streams its requests and has one reply. */
  clientStream(command: Command, requests: MessageSource<unknown>, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#open(command, undefined, options, options.timeoutMs ?? 0, { item: () => {}, done: resolve, fail: reject });
      if (call !== undefined) this.#pump(call, requests);
    });
  }

  /** A call that streams its responses. It is opened when the first of them is asked for. */
  serverStream(command: Command, request: unknown, options: CallOptions): AsyncIterable<unknown> {
    return this.#stream(command, request, options, undefined);
  }

  /** A call that streams both ways. */
  bidiStream(command: Command, requests: MessageSource<unknown>, options: CallOptions): AsyncIterable<unknown> {
    return this.#stream(command, undefined, options, requests);
  }

  /** A response or an item of the peer; frames of calls that have settled are late and mean nothing. */
  onResponse(frame: FrameView): void {
    const call = this.#calls.get(frame.callIdNumber);
    if (call === undefined) return;
    const status = frame.status ?? 0;
    try {
      const { metadata, message } = decodeExt(frame.ext);
      if (Object.keys(metadata).length > 0) call.options.onMetadata?.(metadata);
      if (status !== 0) {
        this.#settle(
          call,
          new FramewireError(codeOfStatus(status), message || `${call.command.name} failed`, { fault: "remote", metadata }),
        );
      } else if (call.command.responseStream) {
        this.#settle(call, undefined);
      } else {
        const reply = call.command.response.decode(frame.payload);
        this.#settle(call, undefined, reply);
      }
    } catch (cause) {
      this.#settle(call, new FramewireError("internal", `the reply of ${call.command.name} could not be read`, { fault: "remote", cause }));
    }
  }

  /** False if the peer sent more than its credit. */
  onItem(frame: FrameView): boolean {
    const call = this.#calls.get(frame.callIdNumber);
    if (call?.receiveCredit === undefined) return true;
    const length = frame.payloadEnd - frame.payloadStart;
    if (!call.receiveCredit.take(length)) return false;
    try {
      call.sink.item(call.command.response.decode(frame.payload), length + ITEM_OVERHEAD);
    } catch (cause) {
      this.#cancel(call, new FramewireError("internal", `an item of ${call.command.name} could not be read`, { fault: "remote", cause }));
    }
    return true;
  }

  onCredit(callId: number, bytes: number): void {
    this.#calls.get(callId)?.sendCredit?.add(bytes);
  }

  /** Ends the calls that `match` names, in the order they were opened. */
  failWhere(match: (request: Outgoing) => boolean, code: CallErrorCode, message: string): void {
    for (const call of [...this.#calls.values()]) {
      if (match(call.request)) this.#settle(call, new FramewireError(code, `${call.command.name}: ${message}`));
    }
  }

  #stream(command: Command, request: unknown, options: CallOptions, requests: MessageSource<unknown> | undefined): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]: () => {
        let call: OutgoingCall | undefined;
        const items = new ItemQueue<unknown>({
          consumed: (cost) => call !== undefined && this.#grant(call, cost),
          abandoned: () => call !== undefined && this.#cancel(call, new FramewireError("cancelled", "the reader left the stream")),
        });
        call = this.#open(command, request, options, options.timeoutMs ?? 0, {
          item: (message, cost) => items.push(message, cost),
          done: () => items.end(),
          fail: (error) => items.fail(error),
        });
        if (call !== undefined && requests !== undefined) this.#pump(call, requests);
        return items;
      },
    };
  }

  #open(command: Command, request: unknown, options: CallOptions, ownTimeoutMs: number, sink: Sink): OutgoingCall | undefined {
    const { parent } = options;
    const signals = [options.signal, parent?.signal].filter((signal) => signal !== undefined);
    const ended = signals.find(({ aborted }) => aborted);
    if (ended !== undefined) {
      sink.fail(cancelled(command, ended.reason));
      return undefined;
    }
    const timeoutMs = timeoutOf(ownTimeoutMs, parent);
    let call: OutgoingCall;
    try {
      const id = this.#takeId();
      const outgoing: Outgoing = {
        cmd: command.cmd,
        kind: FrameKind.FRAME_KIND_REQUEST,
        callId: id,
        payload: command.requestStream ? undefined : encodeMessage(command.request, request),
        timeoutMs: timeoutMs > 0 ? timeoutMs : undefined,
        trace: options.trace ?? parent?.trace,
        ext: encodeExt(options.metadata),
        reliable: command.reliable,
        settled: (error) => error !== undefined && this.#settle(call, error),
        sent: false,
      };
      call = {
        id,
        command,
        sink,
        request: outgoing,
        options,
        sendCredit: command.requestStream ? new SendCredit(this.#host.peerCredit) : undefined,
        receiveCredit: command.responseStream ? new ReceiveCredit(this.#host.options.initialCredit) : undefined,
        timer: undefined,
        unlisten: undefined,
        pump: undefined,
      };
      this.#calls.set(id, call);
      this.#host.post(outgoing);
    } catch (error) {
      const failure = error instanceof FramewireError ? error : invalidRequest(command, error);
      if (call! === undefined) sink.fail(failure);
      else this.#settle(call, failure);
      return undefined;
    }
    // The post may have settled the call already, on a connection that is closed.
    if (!this.#calls.has(call.id)) return undefined;
    if (timeoutMs > 0) {
      call.timer = this.#host.clock.setTimer(timeoutMs, () => {
        this.#cancel(call, new FramewireError("deadline-exceeded", `${command.name} took longer than ${timeoutMs} ms`));
      });
    }
    if (signals.length > 0) {
      const onAbort = ({ target }: Event) => this.#cancel(call, cancelled(command, (target as AbortSignal).reason));
      for (const signal of signals) signal.addEventListener("abort", onAbort);
      call.unlisten = () => {
        for (const signal of signals) signal.removeEventListener("abort", onAbort);
      };
    }
    return call;
  }

  #takeId(): number {
    let id: number;
    do {
      id = this.#nextId;
      this.#nextId = id + 2 > 0xffff_ffff ? 2 - (id & 1) : id + 2;
    } while (this.#calls.has(id));
    return id;
  }

  #pump(call: OutgoingCall, requests: MessageSource<unknown>): void {
    call.pump = pump(requests, {
      credit: call.sendCredit as SendCredit,
      whenWritable: () => this.#host.whenWritable(),
      send: (message) => {
        const payload = encodeMessage(call.command.request, message);
        this.#post(call, FrameKind.FRAME_KIND_ITEM, payload);
        return payload.length;
      },
    });
    call.pump.done.then(
      () => this.#calls.has(call.id) && this.#post(call, FrameKind.FRAME_KIND_END, undefined),
      (error) =>
        this.#cancel(
          call,
          error instanceof FramewireError ? error : new FramewireError("cancelled", "the request stream failed", { cause: error }),
        ),
    );
  }

  #post(call: OutgoingCall, kind: FrameKind, payload: Uint8Array | undefined): void {
    this.#host.post({ cmd: call.command.cmd, kind, callId: call.id, payload, reliable: call.command.reliable, sent: false });
  }

  #grant(call: OutgoingCall, cost: number): void {
    const bytes = call.receiveCredit?.consume(cost) ?? 0;
    if (bytes > 0 && this.#calls.has(call.id)) this.#post(call, FrameKind.FRAME_KIND_CREDIT, Credit.encode({ bytes }).finish());
  }

  /** Gives the call up on this side and tells the peer, unless the peer never heard of it. */
  #cancel(call: OutgoingCall, error: FramewireError): void {
    if (!this.#calls.has(call.id)) return;
    this.#settle(call, error);
    this.#host.withdraw(call.id);
    if (call.request.sent) {
      try {
        this.#post(call, FrameKind.FRAME_KIND_CANCEL, undefined);
      } catch {
        // No room for the cancel: the call's deadline or the end of the connection ends it over there.
      }
    }
  }

  #settle(call: OutgoingCall, error: FramewireError | undefined, reply?: unknown): void {
    if (!this.#calls.delete(call.id)) return;
    call.timer?.cancel();
    call.unlisten?.();
    call.pump?.stop();
    if (error === undefined) call.sink.done(reply);
    else call.sink.fail(error);
    this.#host.callSettled();
  }
}

/** The sooner of a call's own limit and what is left of its parent's, at least 1 ms; 0 = no limit. */
function timeoutOf(ownMs: number, parent: CallContext | undefined): number {
  const left = Math.min(ownMs > 0 ? ownMs : Number.POSITIVE_INFINITY, parent?.remainingMs ?? Number.POSITIVE_INFINITY);
  return left === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(left));
}

function cancelled(command: Command, reason: unknown): FramewireError {
  return new FramewireError("cancelled", `${command.name} was cancelled`, { cause: reason });
}

function invalidRequest(command: Command, cause: unknown): FramewireError {
  return new FramewireError("invalid-argument", `the request of ${command.name} could not be encoded`, { cause });
}
