/** A client that sends over a line which damages bytes, until all has arrived or the connection is closed. */
import { createClient } from "../../src/client/index.js";
import { createServer } from "../../src/server/index.js";
import { createChaosProxy } from "../../src/testing/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";

export interface BreakerReport {
  /** Notes that were handled, and those of them that were not what was sent next. */
  readonly handled: number;
  readonly wrong: number;
  /** Frames that the server read, and those that it found damaged. */
  readonly good: number;
  readonly bad: number;
  readonly corrupted: number;
  /** What the connection ended with; `undefined` if it did not. */
  readonly ended: string | undefined;
}

/** Sends `notes` notes of about `bytes` bytes over TCP; one byte in `oneIn` of them arrives with another value. Of the server's limits only the breaker is left. */
export async function runBreaker({
  oneIn,
  notes,
  bytes,
  seed,
}: {
  oneIn: number;
  notes: number;
  bytes: number;
  seed: number;
}): Promise<BreakerReport> {
  const server = createServer({ logger: false, resyncBudget: 1_000_000, resumeWindowMs: 0 });
  // The hello is a frame too, from before there was anybody to tell of it.
  const count = { handled: 0, wrong: 0, good: 1, bad: 0 };
  const textOf = (number: number) => `${number} `.padEnd(bytes, String(number % 10));
  server.handle(1, TestServiceDefinition.methods.note.requestType, ({ text }) => {
    if (text !== textOf(count.handled++)) count.wrong++;
  });
  server.on("connection", (connection) => {
    connection.on("damage", ({ reason }) => {
      if (reason !== "garbage") count.bad++;
    });
    connection.on("frame", ({ direction }) => {
      if (direction === "in") count.good++;
    });
  });
  const { tcp } = await server.listen({ tcp: {} });
  const proxy = await createChaosProxy({ target: tcp!.url, faults: { up: { corruptionRate: 1 / oneIn }, down: {} }, seed });
  const client = createClient(proxy.url, { logger: false, reconnect: false });
  let ended: string | undefined;
  client.on("state", (state, { error }) => {
    if (state === "disconnected") ended ??= error?.code;
  });
  await client.connect();
  for (let i = 0; i < notes; i++) client.send(1, TestServiceDefinition.methods.note.requestType, { text: textOf(i) }).catch(() => {});
  await until(() => ended !== undefined || count.handled >= notes);
  // The damage that closed it is known to the breaker at once, and its end never.
  if (ended === "error-rate") count.bad++;
  const report = { ...count, corrupted: proxy.stats.corrupted, ended };
  await client.close();
  await server.close();
  await proxy.close();
  return report;
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 20_000; left > 0 && !condition(); left -= 5) await new Promise((resolve) => setTimeout(resolve, 5));
}
