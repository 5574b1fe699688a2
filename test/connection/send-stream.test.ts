import { describe, expect, it } from "vitest";
import { SendCredit } from "../../src/calls/credit.js";
import { sendStream } from "../../src/calls/send-stream.js";
import { heldBytes } from "../helpers/memory.js";

/** A target that takes everything. */
function target(credit = 1e12) {
  const sent: number[] = [];
  return { sent, credit: new SendCredit(credit), whenWritable: () => undefined, send: (message: number) => sent.push(message) };
}

/** A source that hangs behind its first messages, and says whether it was told to end. */
function hanging(...first: number[]) {
  const source = {
    told: false,
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = first.shift();
        return value === undefined ? new Promise<never>(() => {}) : Promise.resolve({ done: false as const, value });
      },
      return: async () => {
        source.told = true;
        return { done: true as const, value: undefined };
      },
    }),
  };
  return source;
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a pump", () => {
  it("holds nothing of the messages that it has sent, however long the stream", async () => {
    const to = { ...target(), send: () => 1 };
    let before = 0;
    let after = 0;
    async function* source() {
      for (let i = 0; i <= 30_000; i++) {
        if (i === 10_000) before = heldBytes();
        if (i === 30_000) after = heldBytes();
        yield i;
      }
    }
    await sendStream(source(), to).done;
    // A race for each message against one promise held 352 bytes of each: 7 MB here.
    expect(after - before).toBeLessThan(1_000_000);
  });

  it("that is stopped while its source hangs ends at once and tells the source so", async () => {
    const to = target();
    const source = hanging(1, 2);
    const running = sendStream(source, to);
    await settle();
    running.stop();
    await running.done;
    expect([to.sent, source.told]).toEqual([[1, 2], true]);
  });

  it("that is stopped while it waits for credit sends nothing more", async () => {
    const to = target(1);
    const source = hanging(1, 2);
    const running = sendStream(source, to);
    await settle();
    running.stop();
    await running.done;
    expect([to.sent, source.told]).toEqual([[1], true]);
  });

  it("ends with what its source throws, at once or later", async () => {
    const failing = (next: () => Promise<never>) => ({ [Symbol.asyncIterator]: () => ({ next }) });
    await expect(
      sendStream(
        failing(() => Promise.reject(new Error("later"))),
        target(),
      ).done,
    ).rejects.toThrow("later");
    const atOnce = () => {
      throw new Error("at once");
    };
    await expect(sendStream(failing(atOnce), target()).done).rejects.toThrow("at once");
  });

  it("takes plain iterables", async () => {
    const to = target();
    await sendStream([1, 2, 3], to).done;
    expect(to.sent).toEqual([1, 2, 3]);
  });
});
