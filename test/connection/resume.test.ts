import { afterEach, describe, expect, it } from "vitest";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { type Stage, stage } from "../helpers/session-run.js";

let act: Stage;
afterEach(() => act.end());

/** A server and a client that are connected. */
async function connected(...args: Parameters<typeof stage>): Promise<Stage> {
  act = stage(...args);
  void act.client.connect();
  await act.clock.runUntil(() => act.client.state === "connected");
  return act;
}

describe.each([
  { over: "a stream", messages: false },
  { over: "messages", messages: true },
])("over $over", ({ messages }) => {
  it("what waited for the resume follows the welcome at once", async () => {
    const { clock, network, client, sessions, atClient } = await connected(1, "clean", { messages });
    network.cut();
    await clock.runUntilIdle();
    for (let i = 0; i < 5; i++) void sessions[0]!.send(TestServiceDefinition.methods.note, { text: String(i) });
    await clock.runUntil(() => client.state === "connected");
    expect(atClient.notes).toEqual([0, 1, 2, 3, 4]);
  });
});
