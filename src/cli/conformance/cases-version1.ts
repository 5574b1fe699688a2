/** Cases 801 to 899: version 1, which has frames and nothing else. docs/wire.md sections 2, 4 and 6. */
import { encodeFrame, type Frame } from "../../codec/index.js";
import { MarksResponse, SleepResponse } from "../../gen/framewire/conformance/v1/conformance.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import type { Kit } from "./kit.js";
import { COUNT, data, ECHO, echoRequest, FAIL, failRequest, MARKS, mark, NOBODY, SLEEP, sleepRequest } from "./service.js";
import { expectSame, NotApplicable } from "./verdict.js";
import type { Wire } from "./wire.js";

const EMPTY = new Uint8Array(0);
const concat = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** A version 1 link: requests, and their replies by command in order. */
class PlainLink {
  readonly wire: Wire;
  readonly #taken = new Map<number, number>();

  constructor(wire: Wire) {
    this.wire = wire;
    wire.onFrame = ({ version = 1, kind }) => {
      if (kind !== FrameKind.FRAME_KIND_HELLO && version !== 1) wire.violate(`a frame of version ${version} on a link of version 1`);
    };
  }

  send(cmd: number, payload?: Uint8Array): void {
    this.wire.send(encodeFrame({ cmd, ...(payload === undefined ? {} : { payload }) }));
  }

  /** The next reply with this command. */
  async reply(cmd: number, what: string): Promise<Uint8Array> {
    const taken = this.#taken.get(cmd) ?? 0;
    const { frames } = this.wire;
    const frame = await this.wire.wait(`the reply of ${what}, a frame with the command ${cmd}`, () => {
      if (frames[0]?.kind === FrameKind.FRAME_KIND_HELLO) throw new NotApplicable("the peer opens a session of version 2 on this link");
      return frames.filter((each) => each.cmd === cmd)[taken];
    });
    this.#taken.set(cmd, taken + 1);
    return frame.payload ?? EMPTY;
  }

  async echo(bytes: Uint8Array = data(8)): Promise<void> {
    this.send(ECHO, echoRequest(bytes));
    expectSame("the echo", echoRequest(bytes), await this.reply(ECHO, "Echo"));
  }

  async expectMarks(expected: readonly number[]): Promise<void> {
    this.send(MARKS, EMPTY);
    const { numbers } = MarksResponse.decode(await this.reply(MARKS, "Marks"));
    expectSame("the marks that were handled", expected, numbers);
  }
}

async function plain(kit: Kit): Promise<PlainLink> {
  return new PlainLink(await kit.link(1));
}

async function fresh(kit: Kit): Promise<PlainLink> {
  const link = await plain(kit);
  link.send(MARKS, EMPTY);
  await link.reply(MARKS, "Marks");
  return link;
}

const bytesOf = (frame: Pick<Frame, "cmd" | "payload">) => encodeFrame(frame);
const markBytes = (number: number) => bytesOf(mark(number) as Frame);

/** Every case of version 1. */
export const VERSION_1: readonly Case[] = (
  [
    {
      number: 801,
      name: "the reply is a frame of version 1 with the command of its request",
      section: "6",
      run: async (kit: Kit) => (await plain(kit)).echo(data(5000)),
    },
    {
      number: 802,
      name: "replies come in the order of the requests",
      section: "6",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        const times = [120, 10, 60];
        for (const ms of times) link.send(SLEEP, sleepRequest(ms));
        for (const ms of times) {
          expectSame("the reply of Sleep", ms, SleepResponse.decode(await link.reply(SLEEP, `Sleep(${ms})`)).sleepMs);
        }
      },
    },
    {
      number: 803,
      name: "a frame that comes byte by byte is read",
      section: "4.1",
      over: "tcp",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        await link.wire.sendInPieces(bytesOf({ cmd: ECHO, payload: echoRequest(data(9)) }), 1);
        expectSame("the echo", echoRequest(data(9)), await link.reply(ECHO, "Echo"));
      },
    },
    {
      number: 804,
      name: "several frames in one piece are all read",
      section: "4.1",
      over: "tcp",
      run: async (kit: Kit) => {
        const link = await fresh(kit);
        link.wire.send(concat(...[1, 2, 3, 4, 5].map(markBytes)));
        await link.expectMarks([1, 2, 3, 4, 5]);
      },
    },
    {
      number: 805,
      name: "an empty payload may be written or left out, and a swallowed 2A 00 is not damage",
      section: "2",
      over: "tcp",
      run: async (kit: Kit) => {
        const link = await fresh(kit);
        const [written, left] = [bytesOf({ cmd: ECHO, payload: EMPTY }), encodeFrame({ cmd: ECHO })];
        link.wire.send(concat(markBytes(1), written, left, written, markBytes(2)));
        // The last two bytes on their own.
        await link.wire.sendInPieces(written, written.length - 2);
        for (let i = 0; i < 4; i++) expectSame("the echo of nothing", EMPTY, await link.reply(ECHO, "Echo"));
        await link.expectMarks([1, 2]);
      },
    },
    {
      number: 806,
      name: "an empty payload may be written or left out, in messages",
      section: "2",
      over: "ws",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        for (const payload of [EMPTY, undefined]) {
          link.send(ECHO, payload);
          expectSame("the echo of nothing", EMPTY, await link.reply(ECHO, "Echo"));
        }
      },
    },
    {
      number: 807,
      name: "damage loses no frame after it",
      section: "4.1",
      run: async (kit: Kit) => {
        const link = await fresh(kit);
        const damaged = markBytes(1);
        // Behind the prefix: the length.
        damaged[7] = (damaged[7] as number) + 1;
        for (const bytes of [Uint8Array.of(0, 0xff, 8), damaged, markBytes(2)]) link.wire.send(bytes);
        await link.expectMarks([2]);
      },
    },
    {
      number: 808,
      name: "negative commands are read",
      section: "2",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        link.send(-2, data(3));
        await link.echo();
      },
    },
    {
      number: 809,
      name: "a command without a handler has no effect",
      section: "6",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        link.send(NOBODY, data(3));
        await link.echo();
      },
    },
    {
      number: 810,
      name: "a request that fails has no reply",
      section: "6",
      run: async (kit: Kit) => {
        const link = await plain(kit);
        link.send(FAIL, failRequest(5, "no"));
        link.send(COUNT, data(0));
        await link.echo();
        const came = link.wire.frames.filter(({ cmd }) => cmd === FAIL).length;
        expectSame("the frames with the command of Fail", 0, came);
      },
    },
    {
      number: 811,
      name: "frames of version 2 are read, without a seed, and their trailer has no effect",
      section: "6",
      run: async (kit: Kit) => {
        const link = await fresh(kit);
        link.send(mark(1).cmd, mark(1).payload);
        link.wire.send(encodeFrame({ version: 2, ...mark(2), sequence: 77, ack: 99 }));
        await link.expectMarks([1, 2]);
      },
    },
    {
      number: 812,
      name: "a frame of version 2 with a wrong checksum is not handled",
      section: "6",
      run: async (kit: Kit) => {
        const link = await fresh(kit);
        link.wire.send(encodeFrame({ version: 2, ...mark(1) }, { checksumSeed: 7 }));
        link.send(mark(2).cmd, mark(2).payload);
        await link.expectMarks([2]);
      },
    },
  ] as const
).map((each) => ({ ...each, version: 1 }) as Case);
