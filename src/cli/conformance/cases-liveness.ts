/** Cases 501 to 599: ping and pong, silence, going away. docs/wire.md sections 5.8 and 5.9. */
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import type { Kit } from "./kit.js";
import { needs } from "./kit.js";
import { data, echo, SLEEP, sleepRequest } from "./service.js";
import type { KitSession } from "./session.js";
import { expectSame, expectThat } from "./verdict.js";

/** The longest silence that the kit sits through, in milliseconds. */
const PATIENCE_MS = 4_000;

/** What the kit still sends to a peer that closes, in bytes: in pieces, a millisecond apart. */
const UNDER_WAY = 25_000;

const pongs = (session: KitSession) => session.wire.frames.filter(({ kind }) => kind === FrameKind.FRAME_KIND_PONG);
const pings = (session: KitSession) => session.wire.frames.filter(({ kind }) => kind === FrameKind.FRAME_KIND_PING);

/** A session with a server whose heartbeat is quick enough to wait for. */
async function withHeartbeat(kit: Kit, pongs: boolean): Promise<{ session: KitSession; intervalMs: number; timeoutMs: number }> {
  const session = await kit.session({ pongs });
  const { heartbeatIntervalMs: intervalMs = 0, heartbeatTimeoutMs: timeoutMs = 0 } = session.welcome ?? {};
  const all = intervalMs + (pongs ? 0 : timeoutMs);
  needs(intervalMs > 0, "it announces no pings");
  needs(all <= PATIENCE_MS, `its heartbeat takes ${all} ms; the kit waits ${PATIENCE_MS}`);
  return { session, intervalMs, timeoutMs };
}

export const LIVENESS: readonly Case[] = [
  {
    number: 501,
    name: "a ping is answered by a pong with its payload",
    section: "5.8",
    run: async (kit) => {
      const session = await kit.session();
      for (const length of [0, 4, 125]) {
        const before = pongs(session).length;
        session.ping(data(length));
        const pong = await session.wire.wait("a pong", () => pongs(session)[before]);
        expectSame("the payload of the pong", data(length), pong.payload ?? new Uint8Array(0));
      }
    },
  },
  {
    number: 502,
    name: "pings are answered while a call is under way",
    section: "5.8",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(300));
      session.ping(data(3));
      await session.wire.wait("a pong", () => pongs(session)[0]);
      expectSame("a response before the pong", undefined, call.response);
      await session.reply(call, "Sleep");
    },
  },
  {
    number: 503,
    name: "a pong without a ping is ignored",
    section: "5.8",
    run: async (kit) => {
      const session = await kit.session();
      session.write({ cmd: 0, kind: FrameKind.FRAME_KIND_PONG, payload: data(5) });
      await echo(session);
    },
  },
  {
    number: 504,
    name: "a server pings a silent client after its interval",
    section: "5.8",
    peer: "server",
    run: async (kit) => {
      const { session, intervalMs } = await withHeartbeat(kit, true);
      const ping = () => pings(session)[0];
      await session.wire.wait(`a ping ${intervalMs} ms after the last byte`, ping, { timeoutMs: intervalMs + 1000 });
      const { length } = pings(session)[0]?.payload ?? [];
      expectThat(length === undefined || length <= 125, "a ping of at most 125 bytes", String(length));
    },
  },
  {
    number: 505,
    name: "a server closes with heartbeat-timeout if nothing comes after its ping",
    section: "5.8",
    peer: "server",
    run: async (kit) => {
      const { session, intervalMs, timeoutMs } = await withHeartbeat(kit, false);
      const expected = "the connection to close with 4502 heartbeat-timeout";
      const ended = () => session.wire.ended;
      const end = await session.wire.wait(expected, ended, { anyEnd: true, timeoutMs: intervalMs + timeoutMs + 1500 });
      expectSame("the close code", closeCodeOf("heartbeat-timeout"), end.code);
      expectThat(pings(session).length > 0, "a ping before the close", "none");
    },
  },
  {
    number: 506,
    name: "any byte shows that a peer is alive: a client that sends is not closed",
    section: "5.8",
    peer: "server",
    run: async (kit) => {
      const { session, intervalMs, timeoutMs } = await withHeartbeat(kit, false);
      const until = performance.now() + intervalMs + timeoutMs + 300;
      while (performance.now() < until) {
        await echo(session);
        await new Promise((resolve) => setTimeout(resolve, Math.min(intervalMs, timeoutMs) / 4));
      }
      await echo(session);
    },
  },
  {
    number: 507,
    name: "a client that receives nothing for clearly longer than the interval pings, and then closes",
    section: "5.8",
    peer: "client",
    advice: true,
    run: async (kit) => {
      const session = await kit.session({ pongs: false, welcome: () => ({ heartbeatIntervalMs: 200, heartbeatTimeoutMs: 200 }) });
      await session.wire.wait("a ping of the client's own", () => pings(session)[0], { timeoutMs: PATIENCE_MS });
      const ended = () => session.wire.ended;
      await session.wire.wait("the client to close", ended, { anyEnd: true, timeoutMs: PATIENCE_MS });
    },
  },
  {
    number: 508,
    name: "a goaway with the close code 0 lets calls in flight finish",
    section: "5.9",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(150));
      session.goaway({ reason: "maintenance", closeCode: 0, reconnectSpreadMs: 0 });
      await session.reply(call, "Sleep");
    },
  },
  {
    number: 509,
    name: "a goaway that cannot be decoded closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      session.write({ cmd: 0, kind: FrameKind.FRAME_KIND_GOAWAY, payload: Uint8Array.of(0x0a, 0x7f, 1) });
      await session.wire.waitForEnd(closeCodeOf("protocol-violation"));
    },
  },
  {
    number: 510,
    name: "a client reconnects after a goaway with the close code 0",
    section: "5.9",
    peer: "client",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(50));
      session.goaway({ reason: "maintenance", closeCode: 0, reconnectSpreadMs: 10 });
      await session.reply(call, "Sleep");
      if (!session.wire.messages) session.goaway({ closeCode: closeCodeOf("going-away") });
      session.wire.close(closeCodeOf("going-away"));
      const wire = await kit.link(2);
      await wire.wait("a hello", () => wire.frames.find(({ kind }) => kind === FrameKind.FRAME_KIND_HELLO));
    },
  },
  {
    number: 511,
    name: "a peer that closes reads on for a moment, so that its goaway is not lost",
    section: "5.9",
    over: "tcp",
    run: async (kit) => {
      const session = await kit.session();
      const kind = kit.role === "client" ? FrameKind.FRAME_KIND_HELLO : FrameKind.FRAME_KIND_WELCOME;
      session.wire.keepOpen();
      session.write({ cmd: 0, kind, payload: Uint8Array.of(0x08, 2, 0x10, 2) });
      const goaway = () => session.wire.frames.find((frame) => frame.kind === FrameKind.FRAME_KIND_GOAWAY);
      await session.wire.wait("a goaway", goaway);
      // What was under way, as far as the peer knows: a socket that is closed answers it with a reset.
      await session.wire.sendInPieces(new Uint8Array(UNDER_WAY), UNDER_WAY / 25);
      expectThat(!session.wire.reset, "these bytes to be read", "a reset behind the goaway");
    },
  },
];
