import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import protobuf from "protobufjs";
import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/index.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { testService } from "../helpers/test-service.js";
import { Bench, JOINTS } from "../helpers/transports.js";

const bench = new Bench();
afterEach(() => bench.end());

interface Telemetry {
  celsius: number;
  at: { toString(): string };
  raw: Uint8Array;
}

const { Long } = protobuf.util as unknown as { Long: { fromString(text: string): { toString(): string } } };
const source =
  'syntax = "proto3"; message Telemetry { double celsius = 1; int64 at = 2; bytes raw = 3; } message Receipt { uint32 count = 1; }';
const { root } = protobuf.parse(source);

/** The shape that `pbjs -t static-module` gives: a class with static encode and decode. */
// biome-ignore lint/complexity/noStaticOnlyClass: that is the shape
class TelemetryClass {
  static encode(message: Partial<Telemetry>): protobuf.Writer {
    return root.lookupType("Telemetry").encode(message);
  }
  static decode(bytes: Uint8Array): Telemetry {
    return root.lookupType("Telemetry").decode(bytes) as never;
  }
}
const Receipt = root.lookupType("Receipt") as never as {
  encode(message: { count?: number }): { finish(): Uint8Array };
  decode(bytes: Uint8Array): { count: number };
};

describe("codecs that ts-proto did not make", () => {
  it("protobufjs classes and reflected types serve bare commands, in both versions", async () => {
    for (const version of [2, 1] as const) {
      const server = bench.server();
      const got: Telemetry[] = [];
      server.handle(0x0201, TelemetryClass, (message) => ({ count: got.push(message) }), { reply: Receipt });
      const client = await bench.client(await JOINTS[0]!.open(server), { version });
      const message = { celsius: 21.5, at: Long.fromString("9007199254740993"), raw: Uint8Array.of(1, 2) };
      const reply = await client.request(0x0201, TelemetryClass, message, { reply: Receipt });
      expect(reply.count).toBe(1);
      expect(got[0]!.celsius).toBe(21.5);
      expect(got[0]!.at.toString()).toBe("9007199254740993");
      expect([...got[0]!.raw]).toEqual([1, 2]);
    }
  });
});

describe("a codec that gives no bytes", () => {
  const codec = { encode: (bytes: Uint8Array) => ({ finish: () => bytes }), decode: (bytes: Uint8Array) => bytes };

  it("fails the reply and the message it was for; the calls after it get their replies", async () => {
    const server = bench.server();
    server.handle(0x0201, codec, (message) => message);
    // Meant for messages: its handler gives nothing, and a request asks for a reply all the same.
    server.handle(0x0202, codec, () => undefined);
    const client = await bench.client(await JOINTS[0]!.open(server));
    await expect(client.request(0x0202, codec, Uint8Array.of(1))).rejects.toMatchObject({ code: "internal" });
    await expect(client.send(0x0201, codec, "text" as never)).rejects.toThrow(/Uint8Array/);
    for (const byte of [1, 2, 3]) expect(await client.request(0x0201, codec, Uint8Array.of(byte))).toEqual(Uint8Array.of(byte));
  });
});

describe("an HTTP server of the application's own", () => {
  it("serves its pages and our upgrades side by side, and only those of the path", async () => {
    const http = createHttpServer((_request, response) => response.end("a page"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    try {
      const server = bench.server();
      server.implement(TestServiceDefinition, testService());
      await server.listen({ ws: { server: http, path: "/socket" } });
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("a page");
      const client = await bench.client((options) => createClient(`ws://127.0.0.1:${port}/socket`, options));
      expect((await client.service(TestServiceDefinition).echo({ text: "over the same port" })).text).toBe("over the same port");
      await expect(createClient(`ws://127.0.0.1:${port}/other`, { reconnect: false }).connect()).rejects.toMatchObject({
        code: "connect-failed",
      });
      await client.close();
      await server.close();
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("a page");
    } finally {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    }
  });
});
