/** Cases 201 to 299: hello and welcome. docs/wire.md sections 5.1 to 5.3. */
import { encodeFrame } from "../../codec/index.js";
import { closeCodeOf } from "../../errors.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../gen/framewire/v1/session.js";
import type { Case } from "./case.js";
import { fresh } from "./cases-framing.js";
import { randomSeed } from "./kit.js";
import { data, ECHO, echo, echoRequest, expectMarks, mark } from "./service.js";
import { expectSame, expectThat } from "./verdict.js";
import type { Wire } from "./wire.js";

/** Whether a hello was read: it is answered with a welcome, or its credentials are refused. */
function taken({ frames, ended }: Wire): true | undefined {
  const refused = closeCodeOf("unauthenticated");
  return frames.some(({ kind }) => kind === FrameKind.FRAME_KIND_WELCOME) || ended?.code === refused || undefined;
}

/** Field 1 as bytes, of which there are fewer than it says. */
const UNDECODABLE = Uint8Array.of(0x0a, 0x7f, 1);

export const NEGOTIATION: readonly Case[] = [
  {
    number: 201,
    name: "the welcome comes first, without a seed, and chooses version 2",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      expectSame("the version of the welcome", 2, session.welcome?.version);
      expectSame("the verdict, as nothing was to be resumed", 0, session.welcome?.verdict);
      await echo(session);
    },
  },
  {
    number: 202,
    name: "the hello comes first, without a seed, and its range of versions holds 2",
    section: "5.2",
    peer: "client",
    run: async (kit) => {
      const session = await kit.session();
      const { minVersion = 0, maxVersion = 0 } = session.hello ?? {};
      expectThat(minVersion <= 2 && maxVersion >= 2, "a range that holds 2", `${minVersion} to ${maxVersion}`);
      await echo(session);
    },
  },
  {
    number: 203,
    name: "a seed of 0 is a seed",
    section: "3",
    run: async (kit) => echo(await kit.session({ seed: 0 })),
  },
  {
    number: 204,
    name: "a new session has a new seed",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const seeds: (number | undefined)[] = [];
      for (let i = 0; i < 3; i++) seeds.push((await kit.session()).welcome?.checksumSeed);
      expectThat(new Set(seeds).size === 3, "three different seeds", seeds.join(", "));
    },
  },
  {
    number: 205,
    name: "of the versions 1 to 9 it chooses 2",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session({ hello: { minVersion: 1, maxVersion: 9 } });
      expectSame("the version of the welcome", 2, session.welcome?.version);
      await echo(session);
    },
  },
  {
    number: 206,
    name: "a client of the versions 3 to 4 is refused with version-unsupported",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      const hello = Hello.fromPartial({ minVersion: 3, maxVersion: 4, checksumSeed: randomSeed() });
      const payload = Hello.encode(hello).finish();
      wire.send(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload }));
      await wire.waitForEnd(closeCodeOf("version-unsupported"));
    },
  },
  {
    number: 207,
    name: "a first frame that is not a hello closes with protocol-violation",
    section: "5.1",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      const request = { version: 2, cmd: ECHO, payload: echoRequest(new Uint8Array(1)), kind: FrameKind.FRAME_KIND_REQUEST, callId: 1 };
      wire.send(encodeFrame({ ...request, sequence: 1 }));
      await wire.waitForEnd(closeCodeOf("protocol-violation"));
    },
  },
  {
    number: 208,
    name: "damage before the hello closes with resync-budget",
    section: "5.1",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      const payload = Hello.encode(Hello.fromPartial({ minVersion: 2, maxVersion: 2, checksumSeed: 1 })).finish();
      const hello = encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload });
      hello[hello.length - 1] = (hello[hello.length - 1] as number) ^ 1;
      wire.send(hello);
      await wire.waitForEnd(closeCodeOf("resync-budget"));
    },
  },
  {
    number: 209,
    name: "a second hello or welcome closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      const kind = kit.role === "client" ? FrameKind.FRAME_KIND_HELLO : FrameKind.FRAME_KIND_WELCOME;
      session.write({ cmd: 0, kind, payload: Uint8Array.of(0x08, 2, 0x10, 2) });
      await session.wire.waitForEnd(closeCodeOf("protocol-violation"));
    },
  },
  {
    number: 210,
    name: "calls sent right after the hello are answered after the welcome",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      const session = kit.sessionOver(wire);
      const send = wire.send.bind(wire);
      // The hello leaves when hands are shaken; the request right behind it.
      const call = session.newCall(ECHO);
      const frame = session.number({
        cmd: ECHO,
        payload: echoRequest(new Uint8Array(3)),
        kind: FrameKind.FRAME_KIND_REQUEST,
        callId: call.id,
      });
      wire.send = (hello) => {
        wire.send = send;
        send(hello);
        send(session.seal(frame));
      };
      await kit.shakeHands(session, {});
      await session.reply(call, "Echo");
    },
  },
  {
    number: 211,
    name: "unknown fields in hello or welcome are ignored",
    section: "9",
    run: async (kit) => {
      // Field 60 as a varint, field 61 as bytes.
      const session = await kit.session({ more: Uint8Array.of(0xe0, 0x03, 0x01, 0xea, 0x03, 0x02, 0x08, 0x01) });
      await echo(session);
    },
  },
  {
    number: 212,
    name: "a message of an unknown kind is ignored if it has no sequence",
    section: "5.3",
    run: async (kit) => {
      const session = await fresh(kit);
      session.write({ cmd: 0, kind: 99, payload: new Uint8Array(5) });
      // A library with closed enums takes this one for a message.
      session.write({ ...mark(1), kind: 99 });
      await expectMarks(session, []);
    },
  },
  {
    number: 213,
    name: "a frame of an unknown kind counts as received if it has a sequence, and is not handled",
    section: "5.3",
    run: async (kit) => {
      const session = await fresh(kit);
      session.send({ ...mark(1), kind: 98 });
      await expectMarks(session, []);
      await session.wire.wait("an ack of all", () => session.acked === session.sent || undefined);
    },
  },
  {
    number: 214,
    name: "a max_payload below 1,024 counts as 1,024, so that pongs and the reason of a close fit",
    section: "5.2",
    run: async (kit) => {
      const session = await kit.session({ limits: { maxPayload: 1, maxTrailer: 1 } });
      await echo(session, data(200));
      const payload = data(125);
      session.ping(payload);
      await session.wire.wait("a pong with the ping's 125 bytes", () =>
        session.inbox.find((frame) => frame.kind === FrameKind.FRAME_KIND_PONG && frame.payload?.length === payload.length),
      );
      const kind = kit.role === "client" ? FrameKind.FRAME_KIND_HELLO : FrameKind.FRAME_KIND_WELCOME;
      session.write({ cmd: 0, kind, payload: Uint8Array.of(0x08, 2, 0x10, 2) });
      await session.wire.waitForEnd(closeCodeOf("protocol-violation"));
    },
  },
  {
    number: 215,
    name: "a hello of 65,536 bytes is accepted; a longer one closes with frame-too-large",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const hello = { minVersion: 2, maxVersion: 2, checksumSeed: randomSeed() };
      const around = Hello.encode(Hello.fromPartial({ ...hello, credentials: new Uint8Array(65_000) })).finish().length - 65_000;
      for (const length of [65_536, 65_537]) {
        const wire = await kit.link(2);
        wire.onFrame = ({ kind, payload: bytes }) => {
          if (kind === FrameKind.FRAME_KIND_WELCOME) wire.expectSeed(Welcome.decode(bytes as Uint8Array).checksumSeed);
        };
        const payload = Hello.encode(Hello.fromPartial({ ...hello, credentials: new Uint8Array(length - around) })).finish();
        expectSame("the kit's payload", length, payload.length);
        wire.send(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload }));
        if (length > 65_536) await wire.waitForEnd(closeCodeOf("frame-too-large"));
        else await wire.wait("a welcome, or a refusal of the credentials", () => taken(wire), { anyEnd: true });
      }
    },
  },
  {
    number: 216,
    name: "each new session of a client has a new seed",
    section: "5.2",
    peer: "client",
    run: async (kit) => {
      const seeds: (number | undefined)[] = [];
      for (let i = 0; i < 3; i++) {
        // Without a token there is nothing to resume: the next hello opens a new session.
        const session = await kit.session({ welcome: () => ({ token: new Uint8Array(0), resumeWindowMs: 0 }) });
        seeds.push(session.hello?.checksumSeed);
        session.wire.cut();
      }
      expectThat(new Set(seeds).size === 3, "three different seeds", seeds.join(", "));
    },
  },
  {
    number: 217,
    name: "the seed of a welcome is not that of its hello",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const session = await kit.session();
      expectThat(session.welcome?.checksumSeed !== session.seed, "a seed of its own", `${session.seed}, as the hello`);
    },
  },
  {
    number: 218,
    name: "a hello that cannot be decoded closes with protocol-violation",
    section: "5.2",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      wire.send(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload: UNDECODABLE }));
      await wire.waitForEnd(closeCodeOf("protocol-violation"));
    },
  },
  {
    number: 219,
    name: "a welcome that cannot be decoded closes with protocol-violation",
    section: "5.2",
    peer: "client",
    run: async (kit) => {
      const wire = await kit.link(2);
      const hello = await wire.wait("a hello", () => wire.frames[0]);
      wire.expectSeed(Hello.decode(hello.payload as Uint8Array).checksumSeed);
      wire.send(encodeFrame({ version: 2, cmd: 0, kind: FrameKind.FRAME_KIND_WELCOME, payload: UNDECODABLE }));
      // Before there is a session, a client may just hang up.
      const { code } = await wire.waitForEnd();
      expectThat(code === undefined || code === closeCodeOf("protocol-violation"), "4402 or no code", String(code));
    },
  },
  {
    number: 220,
    name: "garbage before the hello closes with resync-budget",
    section: "5.1",
    peer: "server",
    run: async (kit) => {
      const wire = await kit.link(2);
      wire.send(new Uint8Array(16));
      await wire.waitForEnd(closeCodeOf("resync-budget"));
    },
  },
];
