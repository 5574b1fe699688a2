/**
 * Version 1 peers: five fields and no session. Messages either way; a request's reply is the next frame back with
 * the request's cmd, in request order. docs/wire.md section 5.
 */
import type { FrameView } from "../codec/index.js";
import { encodeOwned } from "../protobuf/messages.js";
import type { Command } from "../protocol/commands.js";
import { failureOf, pending } from "../runtime/guard.js";
import { CHUNK_MEMORY } from "../runtime/memory-costs.js";
import { Queue } from "../runtime/queue.js";
import { serving } from "../runtime/serving.js";
import { Outgoing } from "../session/outgoing.js";
import type { Dispatcher } from "./dispatcher.js";
import type { CallHost } from "./host.js";
import { callMemory, decodeRequest, handlerOf, NO_FACTS, undecodable } from "./received-request.js";

/** A request whose reply has not gone back. Replies leave in request order. */
interface ReplySlot {
  state: "running" | "ready" | "nothing";
  payload: Uint8Array | undefined;
  readonly command: Command;
  /** The link has gone before the handler was done. */
  late: boolean;
  /** Memory of the request while its handler runs, then of the reply. */
  memory: number;
}

export class V1Exchange {
  readonly #host: CallHost;
  readonly #dispatcher: Dispatcher;
  readonly #handle: unknown;
  readonly #slots = new Queue<ReplySlot>();
  /** By command: the numbers of the calls that wait for a reply. One that was given up keeps its place, so that its late reply is not taken for the next one's. */
  readonly #pending = new Map<number, Queue<number>>();
  #late = 0;

  constructor(host: CallHost, dispatcher: Dispatcher, handle: unknown) {
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#handle = handle;
  }

  /** Handlers that have not returned. */
  get size(): number {
    return this.#slots.length;
  }

  /** Handlers that still run though their link has gone. */
  get late(): number {
    return this.#late;
  }

  onFrame(frame: FrameView): void {
    const callId = this.#pending.get(frame.cmd)?.shift();
    if (callId !== undefined) return this.#host.calls.onReply(callId, frame);
    const handler = handlerOf(this.#host, this.#dispatcher, frame.cmd, "the peer speaks version 1");
    if (handler === undefined) return;
    const { command } = handler;
    let request: unknown;
    try {
      request = decodeRequest(command, frame);
    } catch (error) {
      return this.#host.invalid(undecodable(command, error));
    }
    const failed = (error: unknown) => this.#host.failed(failureOf(error, command.name));
    const slot: ReplySlot = { state: "running", payload: undefined, command, late: false, memory: 0 };
    this.#slots.push(slot);
    const memory = callMemory(frame);
    const context = this.#dispatcher.context(this.#handle, command, NO_FACTS, this.#host.clock);
    const returned = (reply: unknown) => {
      if (serving) context.end?.();
      if (this.#handlerEnded(slot)) return;
      if (reply === undefined || command.oneWay) {
        slot.state = "nothing";
      } else {
        slot.payload = encodeOwned(command.response, reply);
        slot.state = "ready";
      }
      if (serving) this.#hold(slot, slot.payload === undefined ? 0 : CHUNK_MEMORY + slot.payload.length);
      this.#reply();
    };
    const threw = (error: unknown) => {
      if (serving) context.end?.();
      const late = this.#handlerEnded(slot);
      failed(error);
      if (late) return;
      slot.state = "nothing";
      if (serving) this.#hold(slot, 0);
      this.#reply();
    };
    try {
      const result = this.#dispatcher.run(handler, request, context);
      const running = pending(result);
      if (running !== undefined) {
        if (serving) this.#hold(slot, memory);
        running.then(returned).catch(threw);
      } else {
        returned(result);
      }
    } catch (error) {
      threw(error);
    }
  }

  /** The request of a call of this side has gone out: its reply comes after those of the requests before it. */
  awaitReply(cmd: number, callId: number): void {
    let queue = this.#pending.get(cmd);
    if (queue === undefined) this.#pending.set(cmd, (queue = new Queue()));
    queue.push(callId);
  }

  /** The link is gone and with it every request under way. */
  end(): void {
    for (const slot of this.#slots) {
      if (slot.state !== "running") {
        if (serving) this.#hold(slot, 0);
        continue;
      }
      slot.late = true;
      this.#late++;
      if (serving) this.#dispatcher.lateHandlers++;
    }
    this.#slots.clear();
    this.#pending.clear();
  }

  /** A handler has ended. True if its link has gone. */
  #handlerEnded(slot: ReplySlot): boolean {
    if (!slot.late) return false;
    slot.late = false;
    this.#late--;
    if (serving) this.#dispatcher.lateHandlers--;
    if (serving) this.#hold(slot, 0);
    this.#host.callSettled();
    return true;
  }

  /** Counts what a slot holds from now on. */
  #hold(slot: ReplySlot, memory: number): void {
    if (memory === slot.memory) return;
    this.#host.held(memory - slot.memory);
    slot.memory = memory;
  }

  #reply(): void {
    for (let slot = this.#slots.peek(); slot !== undefined && slot.state !== "running"; slot = this.#slots.peek()) {
      this.#slots.shift();
      if (serving) this.#hold(slot, 0);
      if (slot.state === "ready") {
        const frame = new Outgoing(slot.command, undefined, undefined, false);
        frame.payload = slot.payload;
        this.#host.answer(frame);
      }
      this.#host.callSettled();
    }
  }
}
