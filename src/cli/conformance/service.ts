/** The conformance service as the kit calls it. */
import type { Frame, FrameInit } from "../../codec/index.js";
import {
  CountRequest,
  CountResponse,
  type DriveRequest,
  DriveRequest as DriveRequestCodec,
  DriveResponse,
  EchoRequest,
  EchoResponse,
  FailRequest,
  MarkRequest,
  MarksResponse,
  SleepRequest,
  SumRequest,
  SumResponse,
} from "../../gen/framewire/conformance/v1/conformance.js";
import type { KitCall, KitSession } from "./session.js";
import { expectSame, NotApplicable } from "./verdict.js";

export const ECHO = 65281;
export const COUNT = 65282;
export const SUM = 65283;
export const FAIL = 65284;
export const SLEEP = 65285;
export const MARK = 65286;
export const MARKS = 65287;
export const DRIVE = 65288;
/** Nobody serves this. */
export const NOBODY = 65400;

export const echoRequest = (data: Uint8Array) => EchoRequest.encode({ data }).finish();
export const countRequest = (count: number, padding = 0) => CountRequest.encode({ count, padding }).finish();
export const failRequest = (status: number, message: string) => FailRequest.encode({ status, message }).finish();
export const sleepRequest = (sleepMs: number) => SleepRequest.encode({ sleepMs }).finish();
export const sumRequest = (number: bigint, padding = 0, pauseMs = 0) =>
  SumRequest.encode({ number, padding: new Uint8Array(padding), pauseMs }).finish();

/** A message that the peer remembers. */
export const mark = (number: number): FrameInit => ({ cmd: MARK, payload: MarkRequest.encode({ number }).finish() });

/** Bytes that tell where they are. */
export function data(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i & 0xff);
}

/** An echo: proves that the session goes on, and that everything sent before has been handled. */
export async function echo(session: KitSession, bytes: Uint8Array = data(10)): Promise<void> {
  const reply = await session.unary(ECHO, echoRequest(bytes), "Echo");
  expectSame("the echo", bytes, EchoResponse.decode(reply).data);
}

/** Makes the peer forget the marks of earlier cases. */
export async function clearMarks(session: KitSession): Promise<void> {
  await session.unary(MARKS, new Uint8Array(0), "Marks");
}

/** Compares the marks that the peer remembers, all those sent before included. */
export async function expectMarks(session: KitSession, expected: readonly number[]): Promise<void> {
  const { numbers } = MarksResponse.decode(await session.unary(MARKS, new Uint8Array(0), "Marks"));
  expectSame("the marks that were handled", expected, numbers);
}

export const numberOf = (item: Frame): number => CountResponse.decode(item.payload as Uint8Array).number;
export const sumOf = (reply: Uint8Array): bigint => SumResponse.decode(reply).sum;

/** Makes the peer call the kit. */
export function drive(session: KitSession, what: Partial<DriveRequest>): KitCall {
  return session.request(DRIVE, DriveRequestCodec.encode(DriveRequestCodec.fromPartial(what)).finish());
}

/** Waits for the call that the peer was told to make. */
export function driven(session: KitSession, from: KitCall): Promise<KitCall> {
  return session.wire.wait("the call that it was told to make", () => {
    if (from.response?.status === 12) throw new NotApplicable("the peer does not serve Drive");
    return [...session.calls.values()].find(({ request }) => request !== undefined);
  });
}

/** What the peer says became of its call. */
export async function outcome(session: KitSession, from: KitCall): Promise<DriveResponse> {
  return DriveResponse.decode(await session.reply(from, "Drive"));
}
