/** Cases 301 to 399: calls with one reply, and messages. docs/wire.md sections 5.3 and 5.4. */
import { closeCodeOf } from "../../errors.js";
import { DriveMethod, SleepResponse } from "../../gen/framewire/conformance/v1/conformance.js";
import { FrameExt, FrameKind } from "../../gen/framewire/v1/data_frame.js";
import type { Case } from "./case.js";
import { fresh } from "./cases-framing.js";
import { needs } from "./kit.js";
import {
  COUNT,
  data,
  drive,
  driven,
  ECHO,
  echo,
  echoRequest,
  expectMarks,
  FAIL,
  failRequest,
  mark,
  NOBODY,
  outcome,
  SLEEP,
  SUM,
  sleepRequest,
} from "./service.js";
import { type KitCall, UNIMPLEMENTED } from "./session.js";
import { expectSame, expectThat, NotApplicable, tellFrame } from "./verdict.js";

const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
/** The most calls that the kit opens at once. */
const MOST_CALLS = 5000;
const VIOLATION = closeCodeOf("protocol-violation");

export const CALLS: readonly Case[] = [
  {
    number: 301,
    name: "a request is answered with one response, of its call and command",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(ECHO, echoRequest(data(1000)));
      await session.reply(call, "Echo");
      expectSame("the cmd of the response", ECHO, call.response?.cmd);
      await echo(session);
    },
  },
  {
    number: 302,
    name: "calls in flight at the same time get their own replies",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const calls = [160, 40, 100].map((ms) => ({ ms, call: session.request(SLEEP, sleepRequest(ms)) }));
      for (const { ms, call } of calls) {
        expectSame(`the reply to Sleep(${ms})`, ms, SleepResponse.decode(await session.reply(call, "Sleep")).sleepMs);
      }
    },
  },
  {
    number: 303,
    name: "a request with an unknown command is answered with unimplemented",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const { status } = await session.response(session.request(NOBODY, new Uint8Array(3)), "a response with status 12");
      expectSame("the status", UNIMPLEMENTED, status);
      await echo(session);
    },
  },
  {
    number: 304,
    name: "a request whose payload cannot be decoded is answered with invalid-argument",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const { status } = await session.response(session.request(ECHO, Uint8Array.of(0x0a, 0x7f, 1)), "a response with status 3");
      expectSame("the status", INVALID_ARGUMENT, status);
      await echo(session);
    },
  },
  {
    number: 305,
    name: "a failed call has its status and message, and no payload",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const response = await session.response(session.request(FAIL, failRequest(9, "not today, thank you")));
      if (response.status === UNIMPLEMENTED) throw new NotApplicable("the peer does not serve Fail");
      expectSame("the status", 9, response.status);
      expectSame("the length of the payload", 0, response.payload?.length ?? 0);
      const { message } = FrameExt.decode(response.ext ?? new Uint8Array(0));
      expectSame("the message", "not today, thank you", message);
    },
  },
  {
    number: 306,
    name: "a request with the call id 0 closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      session.send({ cmd: ECHO, payload: echoRequest(data(1)), kind: FrameKind.FRAME_KIND_REQUEST, callId: 0 });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 307,
    name: "a request with a call id of the wrong parity closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      session.request(ECHO, echoRequest(data(1)), { callId: kit.role === "client" ? 1000 : 1001 });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 308,
    name: "a request with a call id that is in use closes with protocol-violation",
    section: "5.3",
    run: async (kit) => {
      const session = await kit.session();
      const { id } = session.request(SLEEP, sleepRequest(1000));
      session.request(SLEEP, sleepRequest(1000), { callId: id });
      await session.wire.waitForEnd(VIOLATION);
    },
  },
  {
    number: 309,
    name: "a call id may be used again once its call is over, and the highest one too",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const highest = kit.role === "client" ? 0xffff_ffff : 0xffff_fffe;
      for (const callId of [highest, highest, kit.role === "client" ? 1 : 2]) {
        await session.reply(session.request(ECHO, echoRequest(data(4)), { callId }), "Echo");
      }
    },
  },
  {
    number: 310,
    name: "a cancelled call is not answered",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const probe = session.request(SLEEP, sleepRequest(1));
      await session.reply(probe, "Sleep");
      const call = session.request(SLEEP, sleepRequest(120));
      session.cancel(call);
      // It would have been answered before this one.
      await session.reply(session.request(SLEEP, sleepRequest(200)), "Sleep");
      expectSame("the response to a cancelled call", undefined, call.response && tellFrame(call.response));
    },
  },
  {
    number: 311,
    name: "a call whose deadline has passed is answered with deadline-exceeded",
    section: "5.4",
    advice: true,
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(kit.timeoutMs), { timeoutMs: 60 });
      const { status } = await session.response(call, "a response with status 4", kit.timeoutMs / 2);
      expectThat(status !== UNIMPLEMENTED, "Sleep to be served", "status 12");
      expectSame("the status", DEADLINE_EXCEEDED, status);
    },
  },
  {
    number: 312,
    name: "a message without a handler is dropped",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      session.send({ cmd: NOBODY, payload: data(5) });
      await echo(session);
    },
  },
  {
    number: 313,
    name: "messages are handled in order",
    section: "5.6",
    run: async (kit) => {
      const session = await fresh(kit);
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      for (const number of numbers) session.send(mark(number));
      await expectMarks(session, numbers);
    },
  },
  {
    number: 314,
    name: "frames for unknown calls are ignored",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      for (const callId of [41, 42]) {
        session.send({ cmd: ECHO, kind: FrameKind.FRAME_KIND_RESPONSE, callId, payload: data(2) });
        session.send({ cmd: COUNT, kind: FrameKind.FRAME_KIND_END, callId });
        session.send({ cmd: COUNT, kind: FrameKind.FRAME_KIND_CREDIT, callId, payload: Uint8Array.of(0x08, 5) });
        session.send({ cmd: COUNT, kind: FrameKind.FRAME_KIND_CANCEL, callId });
      }
      await echo(session);
    },
  },
  {
    number: 315,
    name: "a call above max_calls is answered with resource-exhausted",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const { maxCalls } = session.peerLimits;
      needs(maxCalls > 0 && maxCalls <= MOST_CALLS, maxCalls === 0 ? "it tells no limit" : `it allows ${maxCalls} calls`);
      await session.reply(session.request(SLEEP, sleepRequest(1)), "Sleep");
      const held = Array.from({ length: maxCalls }, () => session.request(SLEEP, sleepRequest(kit.timeoutMs)));
      const { status } = await session.response(session.request(ECHO, echoRequest(data(1))), "a response with status 8");
      expectSame("the status", RESOURCE_EXHAUSTED, status);
      for (const call of held) session.cancel(call);
      // The peer may count a cancelled call until its handler has ended.
      const deadline = performance.now() + kit.timeoutMs;
      for (;;) {
        const again = await session.response(session.request(ECHO, echoRequest(data(1))));
        if (again.status === undefined) break;
        expectSame("the status while cancelled calls end", RESOURCE_EXHAUSTED, again.status);
        expectThat(performance.now() < deadline, "a call to be served once all others are cancelled", tellFrame(again));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  },
  {
    number: 316,
    name: "a request for a one-way command is handled, and answered with an empty reply",
    section: "5.4",
    run: async (kit) => {
      const session = await fresh(kit);
      const { cmd, payload } = mark(1);
      const reply = await session.unary(cmd, payload, "Mark");
      expectSame("the length of the reply", 0, reply?.length ?? 0);
      await expectMarks(session, [1]);
    },
  },
  {
    number: 317,
    name: "a message for a command with a reply gets none",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      for (const cmd of [ECHO, COUNT, SUM]) session.send({ cmd, payload: new Uint8Array(0) });
      await echo(session);
      const came = session.inbox.filter(({ kind = 0 }) => kind < FrameKind.FRAME_KIND_HELLO);
      expectSame("what came beside the echo", 1, came.length);
    },
  },
  {
    number: 318,
    name: "items and an end for a call with one request have no effect",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const call = session.request(SLEEP, sleepRequest(100));
      session.item(call, echoRequest(data(5)));
      session.end(call);
      await session.reply(call, "Sleep");
    },
  },
  {
    number: 319,
    name: "a timeout_ms of 0 is no limit",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      await session.reply(session.request(SLEEP, sleepRequest(60), { timeoutMs: 0 }), "Sleep");
    },
  },
  {
    number: 321,
    name: "calls of the peer have ids of its parity, and their replies reach it",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      for (let i = 0; i < 3; i++) {
        const from = drive(session, { target: DriveMethod.DRIVE_METHOD_ECHO, data: data(20) });
        const call = await driven(session, from);
        expectSame("the payload of its request", echoRequest(data(20)), call.request?.payload);
        session.respond(call, call.request?.payload);
        const { status, data: echoed } = await outcome(session, from);
        expectSame("what it got", { status: 0, echoed: data(20) }, { status, echoed });
        session.calls.delete(call.id);
      }
    },
  },
  {
    number: 322,
    name: "a failed call of the peer ends with the status and message of its response",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const from = drive(session, { target: DriveMethod.DRIVE_METHOD_ECHO, data: data(2) });
      session.respond(await driven(session, from), undefined, 5, "there is no echo here");
      const { status, message } = await outcome(session, from);
      expectSame("what it got", { status: 5, message: "there is no echo here" }, { status, message });
    },
  },
  {
    number: 323,
    name: "a peer sends timeout_ms with its call, and a cancel when the time has passed on its own clock",
    section: "5.4",
    run: async (kit) => {
      const session = await kit.session();
      const from = drive(session, { target: DriveMethod.DRIVE_METHOD_ECHO, data: data(2), timeoutMs: 80 });
      const call = await driven(session, from);
      const { timeoutMs = 0 } = call.request ?? {};
      expectThat(timeoutMs > 0 && timeoutMs <= 80, "a timeout_ms from 1 to 80", String(timeoutMs));
      await session.wire.wait("a cancel", () => call.cancelled || undefined);
      expectSame("the status that it got", DEADLINE_EXCEEDED, (await outcome(session, from)).status);
      // Too late: it must be ignored.
      session.respond(call, call.request?.payload);
      await echo(session);
    },
  },
  {
    number: 324,
    name: "a peer has no more calls in flight than max_calls allows",
    section: "5.2",
    run: async (kit) => {
      const session = await kit.session({ limits: { maxCalls: 1 } });
      const drives = [1, 2].map((length) => drive(session, { target: DriveMethod.DRIVE_METHOD_ECHO, data: data(length) }));
      const first = await driven(session, drives[0] as KitCall);
      // The second one waits, or fails at once. It must not come: the kit counts.
      await echo(session);
      session.respond(first, first.request?.payload);
      await session.wire.wait("both calls to end", () => {
        const second = [...session.calls.values()].find(({ request, answered }) => request !== undefined && !answered);
        if (second !== undefined) session.respond(second, second.request?.payload);
        return drives.every(({ response }) => response !== undefined) || undefined;
      });
      // A peer may open them in any order.
      const statuses: number[] = [];
      for (const each of drives) statuses.push((await outcome(session, each)).status);
      const sorted = statuses.sort((a, b) => a - b).join(" and ");
      expectThat(["0 and 0", `0 and ${RESOURCE_EXHAUSTED}`].includes(sorted), "the statuses 0 and 0, or 0 and 8", sorted);
    },
  },
];
