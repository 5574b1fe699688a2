/** The service that most tests of connections serve. */

import { FramewireError } from "../../src/errors.js";
import type { ServiceImplementation } from "../../src/protocol/definition.js";
import type { TestServiceDefinition } from "../gen/test/v1/test_service.js";

interface Context {
  readonly signal: AbortSignal;
}

/** Serves every method in the plainest way; `notes` gets the texts of `note`. */
export function testService(notes: string[] = []): ServiceImplementation<TestServiceDefinition, Context> {
  return {
    echo: async ({ text, delayMs, id, data }, { signal }) => {
      if (text === "throw") throw new Error("secret of the house");
      if (text === "refuse") throw new FramewireError("not-found", "there is no such echo", { metadata: { hint: "shout" } });
      if (delayMs > 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(resolve, delayMs);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(signal.reason);
          });
        });
      }
      return { text, id, data };
    },
    async *count({ count, padding }) {
      for (let number = 1; number <= count; number++) yield { number, padding: new Uint8Array(padding) };
    },
    sum: async (requests) => {
      let sum = 0n;
      for await (const { number } of requests) sum += number;
      return { sum };
    },
    async *chat(requests) {
      for await (const { text } of requests) yield { text: text.toUpperCase() };
    },
    note: ({ text }) => {
      notes.push(text);
    },
    sample: ({ text }) => ({ text }),
    price: () => {},
  };
}
