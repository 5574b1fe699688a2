import { afterEach, expect, it, vi } from "vitest";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(async () => {
  vi.useRealTimers();
  await bench.end();
});

it.each(JOINTS)("calls over $name are answered while a test's fake timers leave performance alone", async (joint) => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  const server = bench.server();
  server.implement(TestServiceDefinition, testService());
  const client = await bench.client(await joint.open(server));
  const { echo, count } = client.service(TestServiceDefinition);
  for (const text of ["before", "between"]) {
    expect((await echo({ text })).text).toBe(text);
    // Timers run early by the clock of performance: none may take that for a deadline.
    await vi.advanceTimersByTimeAsync(20_000);
  }
  let items = 0;
  for await (const _ of count({ count: 50 })) items++;
  expect(items).toBe(50);
});
