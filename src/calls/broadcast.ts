/** A message on its way to many: serialised once, framed once for each wire version. */
import { SharedFrame } from "../codec/encoder/shared-frame.js";
import type { AccountKeeper } from "../link/account.js";
import { encodeOwned } from "../protobuf/messages.js";
import type { Command } from "../protocol/commands.js";
import { CHUNK_MEMORY } from "../runtime/memory-costs.js";
import { Outgoing, type SharedMessage } from "../session/outgoing.js";

export class Broadcast implements SharedMessage {
  readonly command: Command;
  readonly payload: Uint8Array;
  readonly #magic: number;
  readonly #frames: [SharedFrame?, SharedFrame?] = [];
  readonly #account: AccountKeeper | undefined;
  /** Queues that it waits in. */
  #queues = 0;

  /** `account` counts it once, however many queues it waits in. */
  constructor(command: Command, message: unknown, magic: number, account?: AccountKeeper) {
    this.#account = account;
    this.command = command;
    this.payload = encodeOwned(command.request, message);
    this.#magic = magic;
  }

  /** For one receiver; one that does not keep up is dealt with as the command's policy says. */
  outgoing(): Outgoing {
    const { reliable, slowConsumer } = this.command;
    const frame = new Outgoing(this.command, undefined, undefined, reliable);
    frame.payload = this.payload;
    frame.broadcast = this;
    frame.slowConsumer = slowConsumer;
    return frame;
  }

  /** It waits in one more queue. */
  retain(): void {
    if (this.#queues++ === 0) this.#account?.sharedChanged(this.#memory());
  }

  /** It has left a queue. */
  release(): void {
    if (--this.#queues === 0) this.#account?.sharedChanged(-this.#memory());
  }

  /** The payload, and the frame that it is copied into when the first receiver gets it. */
  #memory(): number {
    return 2 * this.payload.length + CHUNK_MEMORY;
  }

  /** The frame for receivers of one wire version: whole for version 1, without its trailer for version 2. */
  frame(version: 1 | 2): SharedFrame {
    const { payload } = this;
    return (this.#frames[version - 1] ??= new SharedFrame({ version, cmd: this.command.cmd, payload }, { magic: this.#magic }));
  }
}
