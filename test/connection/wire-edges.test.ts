/** What docs/wire.md says of peers that do what they should not, or what a larger peer would do otherwise. */
import { afterEach, expect, it } from "vitest";
import { FrameExt, FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { type ResumeRequest, ResumeVerdict } from "../../src/gen/framewire/v1/session.js";
import { createServer, type Server, type ServerConnection } from "../../src/server/index.js";
import { VirtualClock } from "../../src/testing/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { EchoRequest, NoteRequest, TestServiceDefinition } from "../gen/test/v1/test_service.js";
import { ScriptedPeer } from "../helpers/scripted-peer.js";

const [ECHO, COUNT, NOTE] = [257, 258, 261];
const UNDECODABLE = Uint8Array.of(0x0a, 0x7f, 1);

let open: { readonly server: Server; readonly clock: VirtualClock } | undefined;
afterEach(async () => {
  const closed = open?.server.close();
  await open?.clock.advance(60_000);
  await closed;
});

/** A server in virtual time that notes what its handlers get, and clients that do only what the test says. */
function world() {
  const clock = new VirtualClock();
  const server = createServer({ clock, heartbeatIntervalMs: 0 });
  const handled: string[] = [];
  server.implement(TestServiceDefinition, {
    note: ({ text }) => void handled.push(text),
    echo: (request) => request,
    // Not a generator, whose body would wait for the first item to be asked for.
    count: () => {
      handled.push("count");
      return (async function* () {})();
    },
  });
  let connection: ServerConnection | undefined;
  server.on("connection", (each) => {
    connection = each;
  });
  open = { server, clock };
  const join = async (resume?: Partial<ResumeRequest>) => {
    const [near, far] = memoryPair({ schedule: (run) => clock.defer(run) });
    server.accept(far);
    const peer = new ScriptedPeer(near);
    peer.sayHello({ resume });
    await clock.runUntilIdle();
    return peer;
  };
  return { clock, join, handled, connection: () => connection as ServerConnection };
}

it("a message for a command that streams is dropped: its handler does not run", async () => {
  const { clock, join, handled } = world();
  const peer = await join();
  peer.send({ cmd: COUNT, sequence: 1 });
  peer.send({ cmd: NOTE, sequence: 2, payload: NoteRequest.encode({ text: "next" }).finish() });
  await clock.advance(100);
  expect(handled).toEqual(["next"]);
});

it("an ext that cannot be decoded costs its own frame only", async () => {
  const { clock, join, handled, connection } = world();
  const peer = await join();
  peer.send({ cmd: NOTE, sequence: 1, payload: NoteRequest.encode({ text: "lost" }).finish(), ext: UNDECODABLE });
  peer.send({ cmd: ECHO, sequence: 2, kind: FrameKind.FRAME_KIND_REQUEST, callId: 1, ext: UNDECODABLE });
  await clock.runUntilIdle();
  expect(handled).toEqual([]);
  expect(peer.ofKind(FrameKind.FRAME_KIND_RESPONSE)).toMatchObject([{ callId: 1, status: 3 }]);

  const reply = connection()
    .request(ECHO, EchoRequest, { text: "?" })
    .catch((error: { code: string }) => error.code);
  await clock.runUntilIdle();
  peer.send({ cmd: ECHO, sequence: 3, kind: FrameKind.FRAME_KIND_RESPONSE, callId: 2, ext: UNDECODABLE });
  await clock.runUntilIdle();
  expect(await reply).toBe("internal");
  expect(peer.closeCode).toBeUndefined();
});

it("a control frame with a sequence counts as received, and is handled in its turn", async () => {
  const { clock, join, handled } = world();
  const peer = await join();
  peer.send({ cmd: 0, sequence: 2, kind: FrameKind.FRAME_KIND_PING, payload: Uint8Array.of(2) });
  peer.send({ cmd: 0, sequence: 1, kind: FrameKind.FRAME_KIND_PING, payload: Uint8Array.of(1) });
  peer.send({ cmd: NOTE, sequence: 2, payload: NoteRequest.encode({ text: "second" }).finish() });
  await clock.runUntilIdle();
  expect(peer.ofKind(FrameKind.FRAME_KIND_PONG).map(({ payload }) => payload?.[0])).toEqual([1]);
  expect(handled).toEqual(["second"]);
});

it("a ping with more than 125 bytes closes with protocol-violation", async () => {
  const { clock, join } = world();
  const peer = await join();
  peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PING, payload: new Uint8Array(125) });
  await clock.runUntilIdle();
  expect(peer.closeCode).toBeUndefined();
  peer.send({ cmd: 0, kind: FrameKind.FRAME_KIND_PING, payload: new Uint8Array(126) });
  await clock.runUntilIdle();
  expect(peer.closeCode).toBe(4402);
});

it("a welcome that tells a range to the server has received it: `received` is its end", async () => {
  const { clock, join } = world();
  const first = await join();
  first.send({ cmd: NOTE, sequence: 1, payload: NoteRequest.encode({ text: "kept" }).finish() });
  await clock.runUntilIdle();
  first.destroy();
  const { welcome } = await join({ token: first.welcome!.token, oldest: 5n });
  expect(welcome).toMatchObject({ verdict: ResumeVerdict.RESUME_VERDICT_GAP, toServer: { from: 2n, to: 4n }, received: 4n });
});

it("an oldest of 0 cannot be: the resume is rejected", async () => {
  const { join } = world();
  const first = await join();
  first.destroy();
  expect((await join({ token: first.welcome!.token, oldest: 0n })).welcome!.verdict).toBe(ResumeVerdict.RESUME_VERDICT_REJECTED);
});

it("a client that has started anew and never acknowledged anything resumes with no range, and gets everything", async () => {
  const { clock, join, connection } = world();
  const first = await join();
  void connection().send(NOTE, NoteRequest, { text: "to the client" });
  await clock.runUntilIdle();
  first.destroy();
  const second = await join({ token: first.welcome!.token, restarted: true, oldest: 1n });
  expect(second.welcome).toMatchObject({ verdict: ResumeVerdict.RESUME_VERDICT_RESUMED, toClient: undefined, received: 0n });
  expect(second.frames.filter(({ sequence }) => sequence !== undefined)).toMatchObject([{ cmd: NOTE, sequence: 1n }]);
});

it("a request for a one-way command is answered with an empty reply", async () => {
  const { clock, join, handled } = world();
  const peer = await join();
  const payload = NoteRequest.encode({ text: "asked" }).finish();
  peer.send({
    cmd: NOTE,
    sequence: 1,
    kind: FrameKind.FRAME_KIND_REQUEST,
    callId: 1,
    payload,
    ext: FrameExt.encode({ metadata: {} }).finish(),
  });
  await clock.runUntilIdle();
  expect(handled).toEqual(["asked"]);
  const [response] = peer.ofKind(FrameKind.FRAME_KIND_RESPONSE);
  expect([response?.status, response?.payload?.length ?? 0]).toEqual([undefined, 0]);
});
