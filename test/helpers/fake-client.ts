/** A scripted peer that joins a server over memory, with what the server is to know of the socket, and looks back on what it got. */
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Goaway, type ResumeRequest } from "../../src/gen/framewire/v1/session.js";
import type { Transport, TransportInfo } from "../../src/link/transport.js";
import type { Server } from "../../src/server/index.js";
import { memoryPair } from "../../src/transport/memory.js";
import { ScriptedPeer } from "./scripted-peer.js";

/** One socket to a server, and what came over it. */
export class FakeClient extends ScriptedPeer {
  readonly #near: Transport;

  /** `info`: what the server knows of the socket, where that matters. */
  constructor(server: Server, info: Partial<TransportInfo> = {}) {
    const [near, far] = memoryPair({ messages: true });
    super(near);
    this.#near = near;
    server.accept(Object.assign(far, { info: { ...far.info, ...info } }));
  }

  /** What came after the handshake, but for goaways. */
  get received(): { readonly kind: number; readonly cmd: number; readonly sequence: number; readonly callId: number }[] {
    return this.frames
      .map(({ kind = 0, cmd, sequence = 0n, callId = 0 }) => ({ kind, cmd, sequence: Number(sequence), callId }))
      .filter(({ kind }) => kind !== FrameKind.FRAME_KIND_WELCOME && kind !== FrameKind.FRAME_KIND_GOAWAY);
  }

  get goaway(): Goaway | undefined {
    const last = this.ofKind(FrameKind.FRAME_KIND_GOAWAY).at(-1);
    return last && Goaway.decode(last.payload!);
  }

  override sayHello(said: Parameters<ScriptedPeer["sayHello"]>[0] = {}): void {
    super.sayHello({ capabilities: { batching: true }, ...said });
  }

  /** A hello that asks to resume a session. */
  resume(said: Pick<ResumeRequest, "token"> & Partial<ResumeRequest>): void {
    this.sayHello({ resume: { received: 0n, oldest: 1n, restarted: false, attempt: 0, ...said } });
  }

  /** Breaks the link. */
  break(): void {
    this.destroy();
  }

  close(code: number): void {
    this.#near.close(code, "");
  }
}
