/** The timers of docs/wire.md section 5.6, seen by a peer that speaks frame by frame. */
import { afterEach, expect, it } from "vitest";
import { encodeFrame, type Frame } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { createServer, type Server, type ServerConnection, type ServerOptions } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { ScriptedPeer, SEED } from "../helpers/scripted-peer.js";

const DATA_LOSS = 15;

let open: { readonly server: Server; readonly clock: VirtualClock } | undefined;
afterEach(async () => {
  const closed = open?.server.close();
  await open?.clock.advance(60_000);
  await closed;
});

/** A server in virtual time, and a client that does only what the test says; it answers pings if `pongs` says with what `ack`. */
async function joined(options: ServerOptions = {}, pongs?: () => number) {
  const clock = new VirtualClock();
  const server = createServer({ clock, heartbeatIntervalMs: 0, ...options });
  const handled: string[] = [];
  server.implement(TestServiceDefinition, { note: ({ text }) => void handled.push(text) });
  let connection: ServerConnection | undefined;
  server.on("connection", (each) => {
    connection = each;
  });
  open = { server, clock };
  const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
  server.accept(far);
  const peer = new ScriptedPeer(near);
  if (pongs !== undefined) {
    peer.onFrame = ({ kind, payload }: Frame) => {
      if (kind === FrameKind.FRAME_KIND_PING) peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PONG, payload, ack: pongs() || undefined });
    };
  }
  peer.sayHello();
  await clock.runUntilIdle();
  const note = (text: string) => void connection!.service(TestServiceDefinition).note({ text });
  const asks = () => peer.ofKind(FrameKind.FRAME_KIND_ACK).filter(({ status }) => status === DATA_LOSS);
  const notes = () => peer.frames.filter(({ sequence }) => sequence !== undefined).map(({ sequence }) => Number(sequence));
  const raw = (frame: Parameters<typeof encodeFrame>[0]) => encodeFrame({ version: 2, ...frame }, { checksumSeed: SEED });
  return { clock, peer, near, note, asks, notes, handled, raw };
}

it("asks for what was damaged 25 ms after the byte that shows it, though nothing follows", async () => {
  const { clock, near, asks, raw } = await joined();
  const damaged = raw({ cmd: 261, sequence: 1 });
  damaged[damaged.length - 1]! ^= 1;
  near.write(damaged);
  await clock.advance(24);
  expect(asks()).toEqual([]);
  await clock.advance(1);
  expect(asks()).toHaveLength(1);
});

it("asks once where nothing shows that a frame is missing and the peer answers the ping that goes with it", async () => {
  const { clock, near, asks } = await joined({}, () => 0);
  near.write(Uint8Array.of(1, 2, 3));
  await clock.advance(60_000);
  expect(asks()).toHaveLength(1);
});

it("asks again and again where the peer does not answer, less and less often", async () => {
  const { clock, near, asks } = await joined();
  near.write(Uint8Array.of(1, 2, 3));
  const times: number[] = [];
  for (let ms = 0; ms < 2_000; ms += 5) {
    await clock.advance(5);
    if (asks().length > times.length) times.push(clock.now());
  }
  expect(times).toEqual([25, 125, 325, 725, 1525]);
});

it("sends pings to a peer that is slow to acknowledge, and nothing again", async () => {
  let received = 0;
  const { clock, peer, note, notes } = await joined({}, () => received);
  for (let i = 1; i <= 20; i++) {
    note(String(i));
    await clock.runUntilIdle();
    received = i;
    // Its pongs say what it has; of its own it says so after 800 ms, and not within 50.
    await clock.advance(800);
    peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, ack: i });
  }
  await clock.advance(500);
  expect(peer.ofKind(FrameKind.FRAME_KIND_PING).length).toBeGreaterThanOrEqual(20);
  expect(notes()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

it("takes pings and requests for a resend at the pace of these timers for no useless frames, and a flood of them for such", async () => {
  const { clock, peer } = await joined({ maxFramesPerSecond: 1 });
  const ping = () => peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PING });
  const ask = () => peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_ACK, status: DATA_LOSS });
  for (let i = 0; i < 200; i++) {
    ping();
    ask();
    await clock.advance(75);
  }
  expect(peer.closeCode).toBeUndefined();
  for (let i = 0; i < 90; i++) ping();
  await clock.runUntilIdle();
  expect(peer.closeCode).toBe(4506);
});
