import { createClient } from "framewire/client";
import { createServer } from "framewire/server";
import { MemoryNetwork, VirtualClock } from "framewire/testing";
import { expect, it } from "vitest";

const text = {
  encode: (message: string) => ({ finish: () => new TextEncoder().encode(message) }),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

it("a call that is under way when the link breaks gets its reply over the next link", async () => {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock, seed: 7 });
  let runs = 0;
  const server = createServer({ clock });
  server.handle(1, text, async (question) => {
    runs++;
    await new Promise<void>((resolve) => void clock.setTimer(5_000, resolve));
    return `${question}? 42`;
  });
  const client = createClient("ws://memory", { clock, connector: network.connector(server) });
  const connected = client.connect();
  await clock.runUntilIdle();
  await connected;

  const reply = client.request(1, text, "the answer");
  await clock.advance(1_000);
  network.cut();
  await clock.advance(10_000);

  expect(await reply).toBe("the answer? 42");
  expect(runs).toBe(1);
  await client.close();
  await server.close();
});
