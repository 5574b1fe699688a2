/** Metadata and the texts of errors: what is refused at the call, and what is cut to the trailer that the peer takes. */
import { afterEach, describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { FramewireError } from "../../src/errors.js";
import type { Server, ServerFailureEvent, ServerOptions } from "../../src/server/index.js";
import { NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

async function join(implementation = {}, options: ServerOptions = {}): Promise<{ server: Server; client: Client }> {
  const server = bench.server(options);
  server.implement(TestServiceDefinition, { ...testService(), ...implementation });
  return { server, client: await bench.client(await JOINTS[0]!.open(server)) };
}

describe("metadata that is not made of strings", () => {
  it.each([
    ["a number", { user: 42 }, /metadata "user" is a number/],
    ["null", { user: null }, /metadata "user" is null/],
    ["an array", ["user"], /metadata is an array/],
    ["text", "user", /metadata is a string/],
  ])("is refused at the call, of every kind: %s", async (_, wrong, message) => {
    const { client } = await join();
    const options = { metadata: wrong as never };
    const service = client.service(TestServiceDefinition);
    const refused = { code: "invalid-option", message: expect.stringMatching(message) };
    await expect(service.echo({}, options)).rejects.toMatchObject(refused);
    await expect(service.sum([], options)).rejects.toMatchObject(refused);
    await expect(service.note({}, options)).rejects.toMatchObject(refused);
    await expect(client.request(0x0400, NoteRequest, {}, options)).rejects.toMatchObject(refused);
    const read = async () => {
      for await (const _ of service.count({ count: 1 }, options));
    };
    await expect(read()).rejects.toMatchObject(refused);
    expect(await service.echo({ text: "still here" })).toMatchObject({ text: "still here" });
  });
});

describe("the text of an error", () => {
  const text = "é".repeat(606);

  it.each([
    [256, 128],
    [1024, 896],
    [8192, 1212],
  ])("that is too long for a peer's maxTrailer of %s is cut, and keeps its code", async (maxTrailer, most) => {
    const server = bench.server();
    server.implement(TestServiceDefinition, {
      echo: () => {
        throw new FramewireError("not-found", text);
      },
    });
    const client = await bench.client(await JOINTS[0]!.open(server), { maxTrailer });
    const error = (await client
      .service(TestServiceDefinition)
      .echo({})
      .catch((cause: unknown) => cause)) as FramewireError;
    expect(error.code).toBe("not-found");
    expect(text.startsWith(error.message)).toBe(true);
    const bytes = Buffer.byteLength(error.message);
    expect(bytes).toBeLessThanOrEqual(most);
    expect(bytes).toBeGreaterThan(most - 12);
  });

  it("makes room for the metadata of its error; metadata that leaves no room is left out, and told to the server", async () => {
    const failures: ServerFailureEvent[] = [];
    const { server, client } = await join({
      echo: ({ text: wish }: { text: string }) => {
        throw new FramewireError("not-found", text, { metadata: { hint: "h".repeat(wish === "all" ? 900 : 300) } });
      },
    });
    server.on("failure", (failure) => failures.push(failure));
    const service = client.service(TestServiceDefinition);
    const errorOf = async (wish: string) => (await service.echo({ text: wish }).catch((cause: unknown) => cause)) as FramewireError;
    const cut = await errorOf("some");
    expect([cut.code, cut.metadata.hint?.length]).toEqual(["not-found", 300]);
    expect(Buffer.byteLength(cut.message)).toBeGreaterThan(500);
    const bare = await errorOf("all");
    expect([bare.code, bare.metadata.hint]).toEqual(["not-found", undefined]);
    expect(failures.map(({ error }) => (error as FramewireError).code)).toEqual(["frame-too-large"]);
  });
});
