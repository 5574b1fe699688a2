/** Sends the messages of an iterable as a stream, as fast as credit and the link allow. */
import type { SendCredit } from "./credit.js";
import type { MessageSource } from "./definition.js";

/** What a pump needs of its call. */
export interface PumpTarget<T> {
  readonly credit: SendCredit;
  /** Resolves when the link takes bulk data; `undefined` = now. */
  whenWritable(): Promise<void> | undefined;
  /** Encodes and sends one item; gives the length of its payload. */
  send(message: T): number;
}

/** A running pump. */
export interface Pump {
  /** Resolves when the source has ended, or `stop` was called; rejects with what the source threw. */
  readonly done: Promise<void>;
  /** Stops at once and tells the source so. */
  stop(): void;
}

/** Starts to send the messages of `source`. */
export function pump<T>(source: MessageSource<T>, target: PumpTarget<T>): Pump {
  let stopped = false;
  /** Ends the wait for the source's next message. */
  let leave: (() => void) | undefined;

  function stop(): void {
    stopped = true;
    target.credit.release();
    leave?.();
  }

  /**
   * The next message, or `undefined` when the pump is stopped first. Each has a promise of its own: a race against one
   * that lives as long as the stream would leave something behind there with every message.
   */
  function next(iterator: Iterator<T> | AsyncIterator<T>): Promise<IteratorResult<T> | undefined> {
    return new Promise((resolve, reject) => {
      leave = () => resolve(undefined);
      Promise.resolve(iterator.next()).then(resolve, reject);
    });
  }

  async function run(): Promise<void> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    try {
      while (!stopped) {
        const result = await next(iterator);
        if (result === undefined || result.done === true) return;
        while (!target.credit.available && !stopped) await target.credit.wait();
        await target.whenWritable();
        if (!stopped) target.credit.spend(target.send(result.value));
      }
    } finally {
      // Not awaited: a source that hangs in its own clean-up must not hold the call.
      if (stopped) void Promise.resolve(iterator.return?.()).catch(() => {});
    }
  }

  return { done: run(), stop };
}
