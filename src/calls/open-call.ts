/** One call that this side has opened, with one reply or with a stream of responses. */

import type { FramewireError } from "../errors.js";
import type { Command } from "../protocol/commands.js";
import type { HeapEntry } from "../runtime/heap.js";
import type { FrameOwner, Outgoing } from "../session/outgoing.js";
import type { CallOptions } from "./call-options.js";
import type { ReceiveCredit, SendCredit } from "./credit.js";
import { type Failure, named, raise } from "./failure.js";
import { ItemQueue } from "./item-queue.js";
import type { StreamSender } from "./send-stream.js";

/** The table that holds a call. */
interface OpenCalls {
  /** The request of a call to a version 1 peer went out. */
  awaitReply(call: OpenCall): void;
  /** The reader took items that had cost this much credit. */
  consumed(call: OpenCall, cost: number): void;
  /** As of {@link CallHost}. */
  held(bytes: number): void;
  /** The call is over; whatever comes for it later means nothing. */
  settle(call: OpenCall, failure: Failure): void;
  /** Takes the frames of a call that still wait back. */
  withdraw(call: OpenCall): void;
  /** Gives the call up on this side and notifies the peer, unless no frame of the call was sent. */
  cancel(call: OpenCall, failure: Failure): void;
}

/** A call that has not settled. Each kind of method says what becomes of its outcome. */
export abstract class OpenCall implements FrameOwner, HeapEntry {
  readonly command: Command;
  readonly options: CallOptions;
  /** Its number, which peers of version 1 never see. */
  id!: number;
  /** The frame that opens the call. */
  request!: Outgoing;
  /** Its deadline, if it has one. */
  at = 0;
  place = -1;
  sendCredit: SendCredit | undefined = undefined;
  receiveCredit: ReceiveCredit | undefined = undefined;
  sender: StreamSender | undefined = undefined;
  unlisten: (() => void) | undefined = undefined;
  /** Called when the request went out. */
  onSent: (() => void) | undefined = undefined;
  readonly #table: OpenCalls;

  constructor(table: OpenCalls, command: Command, options: CallOptions) {
    this.#table = table;
    this.command = command;
    this.options = options;
  }

  /** The request went out; with an error: neither it nor a later frame of the call will. */
  frameSettled(error?: FramewireError): void {
    if (error === undefined) {
      this.onSent?.();
      if (this.request.callId === undefined) this.#table.awaitReply(this);
      return;
    }
    this.#table.settle(this, named(this.command.name, error));
    this.#table.withdraw(this);
  }

  abstract item(message: unknown, cost: number): void;
  /** The call ended well; `reply` is undefined for a method that streams its responses. */
  abstract done(reply: unknown): void;
  abstract fail(failure: Failure): void;
}

/** A call with one reply. */
export class ReplyCall extends OpenCall {
  readonly #resolve: (reply: unknown) => void;

  constructor(table: OpenCalls, command: Command, options: CallOptions, resolve: (reply: unknown) => void) {
    super(table, command, options);
    this.#resolve = resolve;
  }

  item(): void {}

  done(reply: unknown): void {
    this.#resolve(reply);
  }

  fail(failure: Failure): void {
    this.#resolve(raise(failure));
  }
}

/** A call whose responses are a stream. */
export class StreamCall extends OpenCall {
  readonly items: ItemQueue<unknown>;

  constructor(table: OpenCalls, command: Command, options: CallOptions) {
    super(table, command, options);
    this.items = new ItemQueue({
      consumed: (cost) => table.consumed(this, cost),
      held: (bytes) => table.held(bytes),
      abandoned: () => table.cancel(this, { code: "cancelled", message: `${command.name}: the reader left the stream` }),
    });
  }

  item(message: unknown, cost: number): void {
    this.items.push(message, cost);
  }

  done(): void {
    this.items.end();
  }

  fail(failure: Failure): void {
    this.items.fail(failure);
  }
}
