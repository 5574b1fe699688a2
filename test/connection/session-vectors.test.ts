/** The sessions of test/vectors/sessions.json, played to our server and to our client: each must say what the other side's bytes call for. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../../src/client/index.js";
import { FrameDecoder, type FrameView } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";
import { createServer } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { hex, toHex } from "../helpers/wire-builder.js";
import type { SessionStep, SessionVector } from "../vectors/source/sessions.js";

const file = new URL("../vectors/sessions.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: SessionVector[] };

afterEach(() => vi.restoreAllMocks());

/** Seeds and tokens are those of the vector. */
function drawn(seed: number, token: string): void {
  vi.spyOn(globalThis.crypto, "getRandomValues").mockImplementation((array) => {
    if (array instanceof Uint32Array) array[0] = seed;
    else if (array instanceof Uint8Array && array.length === 32) array.set(hex(token));
    return array;
  });
}

/** One end of a connection: what comes over it, frame by frame, as hex; hello and welcome as what they say of the session. */
function listen(transport: Transport, came: (text: string) => void): void {
  const decoder = new FrameDecoder();
  transport.open({
    onData: (chunk) =>
      decoder.push(chunk, (frame) => {
        came(tell(frame));
        const greeting = greetingOf(frame.kindNumber);
        if (greeting !== undefined) decoder.update({ checksumSeed: greeting.decode(frame.payload.slice()).checksumSeed, minVersion: 2 });
      }),
    onAlive: () => {},
    onDrain: () => {},
    onClose: () => {},
  });
}

function greetingOf(kind: number): typeof Hello | typeof Welcome | undefined {
  return kind === FrameKind.FRAME_KIND_HELLO ? Hello : kind === FrameKind.FRAME_KIND_WELCOME ? Welcome : undefined;
}

/** Limits, names and heartbeats are everybody's own. */
function tell(frame: Pick<FrameView, "kindNumber" | "payload" | "bytes">): string {
  if (frame.kindNumber === FrameKind.FRAME_KIND_HELLO) {
    const { minVersion, maxVersion, checksumSeed, resume } = Hello.decode(frame.payload.slice());
    return toHex(Hello.encode(Hello.fromPartial({ minVersion, maxVersion, checksumSeed, ...(resume && { resume }) })).finish());
  }
  if (frame.kindNumber === FrameKind.FRAME_KIND_WELCOME) {
    const { version, checksumSeed, token, resumeWindowMs, verdict, received, toClient, toServer } = Welcome.decode(frame.payload.slice());
    const said = Welcome.fromPartial({
      version,
      checksumSeed,
      token,
      resumeWindowMs,
      verdict,
      received,
      ...(toClient && { toClient }),
      ...(toServer && { toServer }),
    });
    return toHex(Welcome.encode(said).finish());
  }
  return toHex(frame.bytes());
}

/** What a step says, in the same words. */
function expected({ frame, bytes = "", seed }: SessionStep): string {
  const payload = hex(frame?.payload ?? "");
  return seed === null ? tell({ kindNumber: frame?.kind ?? 0, payload, bytes: () => hex(bytes) }) : bytes;
}

const isFrom = (from: "client" | "server") => (step: SessionStep) => step.from === from;

describe.each(cases)("$name", ({ steps, clientSeed, serverSeed, token }) => {
  it("our server says what the vector says, and when", async () => {
    drawn(serverSeed, token);
    const clock = new VirtualClock();
    const server = createServer({ clock, heartbeatIntervalMs: 0 });
    const notes: string[] = [];
    server.implement(TestServiceDefinition, { echo: (request) => request, note: ({ text }) => void notes.push(text) });
    const ends: Transport[] = [];
    const came: [number, number, string][] = [];
    for (const step of steps) {
      await clock.advance(step.at - clock.now());
      if (ends.length < step.link) {
        const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
        listen(near, (text) => came.push([clock.now(), step.link, text]));
        ends.push(near);
        server.accept(far);
      }
      const end = ends[step.link - 1]!;
      if (step.from === "client") end.write(hex(step.arrives ?? step.bytes!));
      else if (step.from === undefined) end.destroy();
      await clock.runUntilIdle();
    }
    expect(came).toEqual(steps.filter(isFrom("server")).map((step) => [step.at, step.link, expected(step)]));
    const sent = steps.filter(({ frame, arrives }) => frame?.cmd === 261 && arrives === undefined);
    expect(notes).toEqual(sent.map(({ frame }) => NoteRequest.decode(hex(frame!.payload!)).text));
    const closed = server.close();
    await clock.advance(60_000);
    await closed;
  });

  it("our client says what the vector says, in this order", async () => {
    drawn(clientSeed, token);
    const clock = new VirtualClock();
    const ends: Transport[] = [];
    const came: [number, string][] = [];
    const connector = async () => {
      const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
      const link = ends.push(far);
      listen(far, (text) => came.push([link, text]));
      return near;
    };
    const client = createClient("tcp://127.0.0.1:1", {
      clock,
      connector,
      heartbeatIntervalMs: 0,
      random: () => 0.5,
      reconnect: { baseMs: 100, jitter: "full" },
    } as Parameters<typeof createClient>[1]);
    void client.connect();
    const replies: Promise<unknown>[] = [];
    const said = new Set<number>();
    for (const step of steps) {
      if (step.at > clock.now()) await clock.advance(step.at - clock.now());
      await clock.runUntilIdle();
      const { kind = 0, cmd, callId, sequence = 0, payload = "" } = step.frame ?? { cmd: 0 };
      if (step.from === "server") ends[step.link - 1]!.write(hex(step.arrives ?? step.bytes!));
      else if (step.from === undefined) ends[step.link - 1]!.destroy();
      else if (kind === FrameKind.FRAME_KIND_GOAWAY) void client.close();
      else if (sequence > 0 && !said.has(sequence)) {
        said.add(sequence);
        if (callId === undefined) void client.send(cmd, NoteRequest, NoteRequest.decode(hex(payload)));
        else replies.push(client.request(cmd, EchoRequest, EchoRequest.decode(hex(payload))));
      }
      await clock.runUntilIdle();
    }
    expect(came).toEqual(steps.filter(isFrom("client")).map((step) => [step.link, expected(step)]));
    await Promise.all(replies);
    await client.close();
  });
});
