/** Sends the messages of an iterable as a stream, as fast as credit and the link allow. */

import type { MessageSource } from "../protocol/definition.js";
import { handled, pending } from "../runtime/guard.js";
import type { SendCredit } from "./credit.js";

/** What the sending of a stream needs of its call. */
export interface StreamTarget<T> {
  readonly credit: SendCredit;
  /** Resolves when the link takes bulk data; `undefined` = now. */
  whenWritable(): Promise<void> | undefined;
  /** Encodes and sends one item; gives the length of its payload. */
  send(message: T): number;
  /** The source has done all that it does, its clean-up included: that may be long after `done`, and never. `error` is what its clean-up threw. */
  sourceEnded?(error?: unknown): void;
}

/** A stream that is being sent. */
export interface StreamSender {
  /** Resolves when the source has ended, or `stop` was called; rejects with what the source threw. */
  readonly done: Promise<void>;
  /** Stops at once, and closes the source. */
  stop(): void;
}

/** Starts to send the messages of `source`. */
export function sendStream<T>(source: MessageSource<T>, target: StreamTarget<T>): StreamSender {
  let stopped = false;
  /** Ends the wait for the source's next message. */
  let interrupt: (() => void) | undefined;
  /** What the source was asked for last. */
  let asked: Promise<unknown> | undefined;

  function stop(): void {
    stopped = true;
    target.credit.release();
    interrupt?.();
  }

  /**
   * The next message, or `undefined` when the sender is stopped first. Each has a promise of its own: a race against one
   * that lives as long as the stream would leave something behind there with every message.
   */
  function next(iterator: Iterator<T> | AsyncIterator<T>): Promise<IteratorResult<T> | undefined> {
    return new Promise((resolve, reject) => {
      interrupt = () => resolve(undefined);
      const result = Promise.resolve(iterator.next());
      asked = result;
      result.then(resolve, reject);
    });
  }

  function unlessStopped(writable: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      interrupt = resolve;
      if (stopped) resolve();
      writable.then(resolve, reject);
    });
  }

  async function cleanUp(iterator: Iterator<T> | AsyncIterator<T>): Promise<void> {
    const [, cleaned] = await Promise.allSettled([asked, (async () => iterator.return?.())()]);
    target.sourceEnded?.(cleaned.status === "rejected" ? cleaned.reason : undefined);
  }

  async function run(): Promise<void> {
    let iterator: Iterator<T> | AsyncIterator<T> | undefined;
    /** The source has given an item and may have more: it is closed if no more are asked for. */
    let suspended = false;
    try {
      iterator = iteratorOf(source);
      while (!stopped) {
        suspended = false;
        const result = await next(iterator);
        if (result === undefined || result.done === true) return;
        suspended = true;
        const late = pending(result.value);
        const message = late === undefined ? result.value : ((await late) as T);
        while (!target.credit.available && !stopped) await target.credit.wait();
        const writable = target.whenWritable();
        if (writable !== undefined) await unlessStopped(writable);
        if (!stopped) target.credit.spend(target.send(message));
      }
    } finally {
      // Not awaited: a source that hangs in its own clean-up must not hold the call.
      if (iterator !== undefined && (stopped || suspended)) handled(cleanUp(iterator));
      else target.sourceEnded?.();
    }
  }

  return { done: run(), stop };
}

function iteratorOf<T>(source: MessageSource<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

/** Closes a source that nothing was asked of, as its call never began. Errors of its clean-up are dropped. */
export function closeSource(source: unknown): void {
  const close = async () => {
    await iteratorOf(source as MessageSource<unknown>).return?.();
    // Node's readable streams: their iterators close nothing before the first item.
    (source as { destroy?(): void }).destroy?.();
  };
  handled(close());
}

/** Whether a handler's result is to be iterated. One that is a promise as well, as query builders are, is not awaited. */
export function isSource(value: unknown): boolean {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
