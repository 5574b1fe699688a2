/** Cases 401 to 499: streams and credit. docs/wire.md sections 5.4 and 5.5. */
import { closeCodeOf } from "../../errors.js";
import { CountResponse, DriveMethod, SumResponse } from "../../gen/framewire/conformance/v1/conformance.js";
import { FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import { needs } from "./kit.js";
import { COUNT, countRequest, data, drive, driven, echo, numberOf, outcome, SUM, sumOf, sumRequest } from "./service.js";
import { DEFAULT_CREDIT, ITEM_COST, type KitCall, type KitSession, UNIMPLEMENTED } from "./session.js";
import { expectSame, expectThat, NotApplicable } from "./verdict.js";

/** The most credit that the kit uses up with small items, in bytes. */
const MOST_SMALL_ITEMS = 512 * 1024;
const VIOLATION = closeCodeOf("protocol-violation");
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** Opens Count, and waits for the items that its credit allows. */
async function count(session: KitSession, request: Uint8Array, items: number): Promise<KitCall> {
  const call = session.request(COUNT, request);
  await session.wire.wait(`${items} items of Count`, () => {
    if (call.response?.status === UNIMPLEMENTED) throw new NotApplicable("the peer does not serve Count");
    return call.items.length >= items || undefined;
  });
  return call;
}

/** Streams to Sum as credit allows; gives the credit that came back. */
async function sum(session: KitSession, numbers: readonly bigint[], padding: number): Promise<{ call: KitCall; reply: Uint8Array }> {
  const call = session.request(SUM, undefined);
  for (const number of numbers) {
    await session.wire.wait(`credit for the item ${number}`, () => call.creditToSend > 0 || call.response !== undefined || undefined);
    if (call.response !== undefined) break;
    session.item(call, sumRequest(number, padding));
  }
  session.end(call);
  return { call, reply: await session.reply(call, "Sum") };
}

export const STREAMS: readonly Case[] = [
  {
    number: 401,
    name: "items come in order, and after them a response without payload",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = await count(session, countRequest(100), 100);
      await session.reply(call, "Count");
      expectSame("the numbers", upTo(100), call.items.map(numberOf));
      expectSame("the length of the response's payload", 0, call.response?.payload?.length ?? 0);
    },
  },
  {
    number: 402,
    name: "numbers streamed to the peer are added up, with all 64 bits",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const numbers = [2n ** 53n + 1n, -7n, 2n ** 60n, 1n];
      const { reply } = await sum(session, numbers, 0);
      expectSame("the sum", 2n ** 53n + 2n ** 60n - 5n, sumOf(reply));
    },
  },
  {
    number: 403,
    name: "an empty stream is valid",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(COUNT, countRequest(0));
      await session.reply(call, "Count");
      expectSame("the items", 0, call.items.length);
      const { reply } = await sum(session, [], 0);
      expectSame("the sum", 0n, sumOf(reply));
    },
  },
  {
    number: 404,
    name: "items stop when the credit is used up, and go on with more",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      // 2 bytes for the number, 102 for the padding, and 64: six of them take the credit from 1,000 to -8.
      const call = await count(session, countRequest(20, 100), 6);
      await echo(session);
      expectSame("the items for a credit of 1,000", 6, call.items.length);
      session.give(call, 8);
      await echo(session);
      expectSame("the items with a credit of 0", 6, call.items.length);
      session.give(call, 1);
      await session.wire.wait("one more item", () => call.items.length > 6 || undefined);
      session.give(call, 100_000);
      await session.reply(call, "Count");
      expectSame("the numbers", upTo(20), call.items.map(numberOf));
    },
  },
  {
    number: 405,
    name: "an initial_credit that is not announced is 262,144",
    section: "5.2",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 0 } });
      const padding = 8000;
      const cost = 2 + 3 + padding + ITEM_COST;
      const expected = Math.ceil(DEFAULT_CREDIT / cost);
      const call = await count(session, countRequest(expected + 20, padding), expected);
      await echo(session);
      expectSame("the items for the default credit", expected, call.items.length);
      session.cancel(call);
    },
  },
  {
    number: 406,
    name: "credit comes back as items are consumed",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session();
      const { initialCredit } = session.peerLimits;
      needs(initialCredit <= 4 * 1024 * 1024, `its credit of ${initialCredit} bytes is too much to use up`);
      const padding = Math.min(8000, Math.ceil(initialCredit / 8));
      const items = Math.ceil((3 * initialCredit) / (padding + ITEM_COST)) + 3;
      const { reply } = await sum(session, upTo(items).map(BigInt), padding);
      expectSame("the sum", (BigInt(items) * BigInt(items + 1)) / 2n, sumOf(reply));
    },
  },
  {
    number: 407,
    name: "items without credit close the connection with protocol-violation",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session();
      const { initialCredit } = session.peerLimits;
      needs(initialCredit <= 4 * 1024 * 1024, `its credit of ${initialCredit} bytes is too much to use up`);
      const call = session.request(SUM, undefined);
      // The peer reads one item, and no more for a while: what comes meanwhile earns no credit.
      session.item(call, sumRequest(1n, 0, kit.timeoutMs));
      const padding = Math.min(60_000, initialCredit);
      while (call.creditToSend > padding + 128) session.item(call, sumRequest(1n, padding));
      // This one may be sent, and overdraws the credit by more than the first item can give back.
      session.item(call, sumRequest(1n, padding + 1000));
      session.ping(data(4));
      await session.wire.wait("a pong", () => session.wire.frames.find(({ kind }) => kind === FrameKind.FRAME_KIND_PONG));
      // The last bytes, when all others have been read: closing over unread ones would reset the connection, and the code with it.
      session.item(call, sumRequest(1n));
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 408,
    name: "an item that cannot be decoded ends its call with invalid-argument, and only that",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SUM, undefined);
      session.item(call, Uint8Array.of(0x12, 0x7f, 1));
      const { status } = await session.response(call, "a response with status 3");
      expectThat(status !== UNIMPLEMENTED, "Sum to be served", "status 12");
      expectSame("the status", 3, status);
      await echo(session);
    },
  },
  {
    number: 409,
    name: "the cmd of items is ignored",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SUM, undefined);
      session.item(call, sumRequest(40n), 0);
      session.item(call, sumRequest(2n), 12345);
      session.end(call);
      expectSame("the sum", 42n, sumOf(await session.reply(call, "Sum")));
    },
  },
  {
    number: 410,
    name: "a cancelled stream ends, without a response",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      const call = await count(session, countRequest(1_000_000, 100), 6);
      session.cancel(call);
      await echo(session);
      session.give(call, 1_000_000);
      await echo(session);
      expectSame("the items of a cancelled stream", 6, call.items.length);
      expectSame("the response to a cancelled call", undefined, call.response);
    },
  },
  {
    number: 411,
    name: "each call has its own credit",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      const [first, second] = [await count(session, countRequest(20, 100), 6), await count(session, countRequest(20, 100), 6)];
      session.give(second, 100_000);
      await session.reply(second, "Count");
      expectSame("the items of the call that got none", 6, first.items.length);
      session.cancel(first);
    },
  },
  {
    number: 412,
    name: "a credit that cannot be decoded closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      const { id: callId } = await count(session, countRequest(20, 100), 6);
      session.send({ cmd: COUNT, callId, kind: FrameKind.FRAME_KIND_CREDIT, payload: Uint8Array.of(0x08) });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 413,
    name: "credit comes back for the 64 bytes of each item too",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session();
      const { initialCredit } = session.peerLimits;
      needs(initialCredit <= MOST_SMALL_ITEMS, `its credit of ${initialCredit} bytes is too much to use up with small items`);
      // Payloads of 2 or 3 bytes: a peer that gives back only these is out of credit long before the last.
      const items = Math.ceil((1.5 * initialCredit) / ITEM_COST);
      const { reply } = await sum(
        session,
        Array.from({ length: items }, () => 1n),
        0,
      );
      expectSame("the sum", BigInt(items), sumOf(reply));
    },
  },
  {
    number: 414,
    name: "the 64 bytes of each item count: too many small items close the connection with protocol-violation",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session();
      const { initialCredit } = session.peerLimits;
      needs(initialCredit <= MOST_SMALL_ITEMS, `its credit of ${initialCredit} bytes is too much to use up with small items`);
      const call = session.request(SUM, undefined);
      session.item(call, sumRequest(1n, 0, kit.timeoutMs));
      // So many more that the first item, which is given back at most, changes nothing.
      while (call.creditToSend > -2 * ITEM_COST) session.item(call, sumRequest(1n));
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 415,
    name: "the payload of a request that streams is ignored",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SUM, Uint8Array.of(0x12, 0x7f, 1));
      session.item(call, sumRequest(5n));
      session.end(call);
      expectSame("the sum", 5n, sumOf(await session.reply(call, "Sum")));
    },
  },
  {
    number: 421,
    name: "the peer streams to the kit as its credit allows, and ends the stream",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session({ limits: { initialCredit: 1000 } });
      const from = drive(session, { target: DriveMethod.DRIVE_METHOD_SUM, count: 20, data: data(100) });
      const call = await driven(session, from);
      expectSame("the payload of a request that streams", 0, call.request?.payload?.length ?? 0);
      await session.wire.wait("six items", () => call.items.length >= 6 || undefined);
      await echo(session);
      expectSame("the items for a credit of 1,000", 6, call.items.length);
      session.give(call, 100_000);
      await session.wire.wait("the end of the stream", () => call.ended || undefined);
      expectSame("the items", 20, call.items.length);
      session.respond(call, SumResponse.encode({ sum: 210n }).finish());
      expectSame("the sum that it got", 210n, (await outcome(session, from)).sum);
    },
  },
  {
    number: 422,
    name: "the peer gives credit for what the kit streams to it",
    section: "5.5",
    run: async (kit) => {
      const session = await kit.session();
      const { initialCredit } = session.peerLimits;
      needs(initialCredit <= 4 * 1024 * 1024, `its credit of ${initialCredit} bytes is too much to use up`);
      const padding = Math.min(8000, Math.ceil(initialCredit / 8));
      const items = Math.ceil((2 * initialCredit) / (padding + ITEM_COST)) + 3;
      const from = drive(session, { target: DriveMethod.DRIVE_METHOD_COUNT, count: items, data: new Uint8Array(padding) });
      const call = await driven(session, from);
      for (const number of upTo(items)) {
        await session.wire.wait(`credit for the item ${number}`, () => call.creditToSend > 0 || undefined);
        session.item(call, countResponse(number, padding));
      }
      session.respond(call, undefined);
      expectSame("the numbers that it got", upTo(items), (await outcome(session, from)).numbers);
    },
  },
  {
    number: 423,
    name: "a peer cancels a call of its own whose item it cannot decode, and goes on",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const from = drive(session, { target: DriveMethod.DRIVE_METHOD_COUNT, count: 5 });
      const call = await driven(session, from);
      session.item(call, Uint8Array.of(0x12, 0x7f, 1));
      await session.wire.wait("a cancel", () => call.cancelled || undefined);
      const { status } = await session.response(from);
      // Its own failure, or what became of the call.
      const failed = (status ?? 0) !== 0 || (await outcome(session, from)).status !== 0;
      expectThat(failed, "a call that failed", "status 0");
      await echo(session);
    },
  },
];

function countResponse(number: number, padding: number): Uint8Array {
  return CountResponse.encode({ number, padding: new Uint8Array(padding) }).finish();
}
