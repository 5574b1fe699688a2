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
  let stop: () => void = () => {};
  const stopping = new Promise<"stopped">((resolve) => {
    stop = () => {
      stopped = true;
      target.credit.release();
      resolve("stopped");
    };
  });

  async function run(): Promise<void> {
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    try {
      while (!stopped) {
        const result = await Promise.race([iterator.next(), stopping]);
        if (result === "stopped" || result.done === true) return;
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
