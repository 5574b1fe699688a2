import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ChatExample } from "../helpers/chat-example.js";

const taken = createServer();

afterEach(() => new Promise<void>((resolve) => (taken.listening ? taken.close(() => resolve()) : resolve())));

async function takePort(): Promise<number> {
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  return (taken.address() as { port: number }).port;
}

test("--once runs the exchange between a WebSocket client and the TCP peer and ends with 0", async () => {
  const chat = new ChatExample("--once", "--port", "0", "--tcp-port", "0");
  expect(await chat.ended(), chat.output).toBe(0);
  expect(chat.output).toMatch(/exchange complete: Mia's phone answered over TCP v1/);
  expect(chat.output).toMatch(/out TCP +v1 #\d+ +Posted .*"author":"A script"/);
});

test.each(["--port", "--tcp-port"])("a taken %s is named, with the option that chooses another", async (option) => {
  const port = await takePort();
  const chat = new ChatExample("--once", ...["--port", "--tcp-port"].flatMap((name) => [name, name === option ? String(port) : "0"]));
  expect(await chat.ended()).toBe(1);
  expect(chat.output).toContain(`Port ${port} is taken by another program. Choose another: npm start -- ${option} ${port + 1}`);
  expect(chat.output).not.toMatch(/^\s+at /m);
});

test("an unknown option gets the usage and ends with 1", async () => {
  const chat = new ChatExample("--prot", "1");
  expect(await chat.ended()).toBe(1);
  expect(chat.output).toContain("Usage: npm start -- [options]");
});
