/** A line between the conformance kit and a peer that is right, which makes the peer look wrong: it reads each frame and passes on what a mutation says. */

import { ConformanceListener } from "../../src/cli/conformance/listener.js";
import { crc32, encodeFrame, type Frame, FrameDecoder, type FrameInit } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport } from "../../src/link/transport.js";
import { connectTcp } from "../../src/transport/tcp.js";
import { connectNodeWebSocket } from "../../src/transport/websocket-node-connect.js";

const LARGE = 64 * 1024 * 1024;

/** A frame on its way. */
export interface Passing extends Frame {
  /** Its bytes as they came. */
  readonly raw: Uint8Array;
  /** How many frames ended in this chunk before it. */
  readonly indexInChunk: number;
  /** It began in an earlier chunk. */
  readonly straddles: boolean;
}

/** What goes on in place of a frame: frames, bytes, or nothing at all. `undefined`: the frame as it is. */
export type Passed = readonly (FrameInit | Uint8Array)[] | undefined;

/** One way in which a peer is wrong. Every member is optional; state lives in the closure that made it. */
export interface Mutation {
  readonly hello?: (hello: Hello) => Hello;
  readonly welcome?: (welcome: Welcome) => Welcome;
  readonly toPeer?: (frame: Passing, line: Line) => Passed;
  readonly fromPeer?: (frame: Passing, line: Line) => Passed;
  /** Bytes of the kit that are no frame. `undefined`: as they are. */
  readonly damaged?: (bytes: Uint8Array, reason: string, line: Line) => Uint8Array | undefined;
  /** Connections of the peer that are refused from now on. */
  readonly refuses?: () => boolean;
  /** The close that goes on to the kit. */
  readonly closing?: (code: number) => number | "stay open";
}

/** One direction of a line. */
class Way {
  readonly #to: () => Transport;
  readonly #decoder: FrameDecoder;
  readonly #messages: boolean;
  #bytes: Uint8Array = new Uint8Array(0);
  #base = 0;
  #index = 0;
  #chunkAt = 0;
  seed: number | undefined;

  constructor(
    from: Transport,
    to: () => Transport,
    pass: (frame: Passing) => Passed,
    damaged: (bytes: Uint8Array, reason: string) => void,
  ) {
    this.#to = to;
    this.#messages = from.info.messages;
    this.#decoder = new FrameDecoder({
      maxPayload: 0x7fff_ffff,
      onDiscard: ({ start, end, reason }) => damaged(this.#slice(start, end), reason),
    });
    this.#pass = pass;
  }

  readonly #pass: (frame: Passing) => Passed;

  expectSeed(seed: number): void {
    this.#decoder.update({ checksumSeed: seed, minVersion: 2 });
  }

  read(chunk: Uint8Array): void {
    const held = this.#decoder.stats.buffered;
    const grown = new Uint8Array(this.#bytes.length + chunk.length);
    grown.set(this.#bytes);
    grown.set(chunk, this.#bytes.length);
    this.#bytes = grown;
    this.#index = 0;
    this.#chunkAt = this.#decoder.stats.bytes;
    const take = (view: Parameters<Parameters<FrameDecoder["push"]>[1]>[0]) => {
      const frame = { ...view.copy(), raw: view.bytes(), indexInChunk: this.#index++, straddles: view.start < this.#chunkAt };
      for (const each of this.#pass(frame) ?? [frame.raw]) this.write(each);
    };
    this.#decoder.push(chunk, take);
    if (this.#messages) this.#decoder.flush(take);
    if (held === 0 && this.#decoder.clean) {
      this.#base = this.#decoder.stats.bytes;
      this.#bytes = new Uint8Array(0);
    }
  }

  write(each: FrameInit | Uint8Array): void {
    const bytes =
      each instanceof Uint8Array
        ? each
        : encodeFrame(each, { checksumSeed: (each.version ?? 1) > 1 ? this.seed : undefined, maxPayload: 0x7fff_ffff });
    this.#to().write(bytes.slice());
  }

  #slice(start: number, end: number): Uint8Array {
    return this.#bytes.slice(start - this.#base, end - this.#base);
  }
}

/** One connection of the kit, and the one to the peer that goes with it. */
export class Line {
  readonly toPeer: Way;
  readonly fromPeer: Way;
  readonly #kit: Transport;
  readonly #peer: Transport;

  readonly #kitIsClient: boolean;

  constructor(kit: Transport, peer: Transport, kitIsClient: boolean, mutation: Mutation) {
    this.#kitIsClient = kitIsClient;
    this.#kit = kit;
    this.#peer = peer;
    const pass = (hook: Mutation["toPeer"]) => (frame: Passing) => this.#greeting(frame, mutation) ?? hook?.(frame, this);
    this.toPeer = new Way(
      kit,
      () => peer,
      pass(mutation.toPeer),
      (bytes, reason) => this.toPeer.write(mutation.damaged?.(bytes, reason, this) ?? bytes),
    );
    this.fromPeer = new Way(
      peer,
      () => kit,
      pass(mutation.fromPeer),
      (bytes) => this.fromPeer.write(bytes),
    );
    const join = (from: Transport, way: Way, ended: (code: number, reason: string) => void) => {
      from.open({ onData: (chunk) => way.read(chunk), onAlive: () => {}, onDrain: () => {}, onClose: ended });
      from.resume();
    };
    join(kit, this.toPeer, (code, reason) => (code === 1006 ? peer.destroy() : peer.close(code, reason)));
    join(peer, this.fromPeer, (code, reason) => {
      const passed = mutation.closing?.(code) ?? code;
      if (passed === "stay open") return;
      if (passed === 1006) kit.destroy();
      else kit.close(passed, reason);
    });
  }

  /** Ends both sides. */
  close(): void {
    this.#kit.close(1000, "");
    this.#peer.destroy();
  }

  destroy(): void {
    this.#kit.destroy();
    this.#peer.destroy();
  }

  /** Learns the seeds, and lets the mutation change what is said. */
  #greeting(frame: Passing, { hello, welcome }: Mutation): Passed {
    if (frame.kind !== FrameKind.FRAME_KIND_HELLO && frame.kind !== FrameKind.FRAME_KIND_WELCOME) return undefined;
    const isHello = frame.kind === FrameKind.FRAME_KIND_HELLO;
    const codec = isHello ? Hello : Welcome;
    let said: Hello | Welcome;
    try {
      said = codec.decode(frame.payload as Uint8Array);
    } catch {
      return undefined;
    }
    const way = isHello === this.#kitIsClient ? this.toPeer : this.fromPeer;
    // A second one is none.
    if (way.seed !== undefined) return undefined;
    const changed = isHello ? (hello?.(said as Hello) ?? said) : (welcome?.(said as Welcome) ?? said);
    const bytes = codec.encode(changed as Hello & Welcome).finish();
    const { raw: _, indexInChunk: __, straddles: ___, ...plain } = frame;
    way.write(changed === said ? frame.raw : { ...plain, payload: bytes });
    way.seed = said.checksumSeed;
    way.expectSeed(said.checksumSeed);
    return [];
  }
}

/** The frame without what only the rig knows. */
export function plain({ raw: _, indexInChunk: __, straddles: ___, ...frame }: Passing): FrameInit {
  return frame;
}

/** A sealed frame with the checksum that its bytes ask for. */
export function resealed(bytes: Uint8Array, seed: number | undefined): Uint8Array {
  const sealed = bytes.slice();
  const covered = new Uint8Array(bytes.length - 5 + (seed === undefined ? 0 : 4));
  if (seed !== undefined) new DataView(covered.buffer).setUint32(0, seed, true);
  covered.set(bytes.subarray(0, -5), seed === undefined ? 0 : 4);
  new DataView(sealed.buffer).setUint32(bytes.length - 4, crc32(covered), true);
  return sealed;
}

export interface RigOptions {
  readonly over: "tcp" | "ws";
  readonly version?: 1 | 2;
  /** Where the end that listens does so. */
  readonly target: string;
  /** The kit connects to the rig; otherwise the peer does, and the target is the kit. */
  readonly kitConnects: boolean;
  readonly mutation: Mutation;
}

/** Listens, and puts a line between each connection and one to the target. */
export async function startRig({
  over,
  version = 2,
  target,
  kitConnects,
  mutation,
}: RigOptions): Promise<{ url: string; close(): Promise<void> }> {
  const listener = new ConformanceListener(over, LARGE);
  const { port } = await listener.listen("127.0.0.1", 0);
  const lines: Line[] = [];
  let open = true;
  const serve = async (): Promise<void> => {
    while (open) {
      const near = await listener.next(version, 200);
      if (near === undefined || near === "other") continue;
      if (mutation.refuses?.() === true) {
        near.destroy();
        continue;
      }
      try {
        const far =
          over === "tcp"
            ? await connectTcp(new URL(target), [version], undefined, AbortSignal.timeout(2000))
            : await connectNodeWebSocket(
                new URL(target),
                [version],
                { maxMessage: LARGE, tls: undefined, headers: undefined },
                AbortSignal.timeout(2000),
              );
        lines.push(kitConnects ? new Line(near, far, true, mutation) : new Line(far, near, false, mutation));
      } catch {
        near.destroy();
      }
    }
  };
  const served = serve();
  return {
    url: `${over}://127.0.0.1:${port}`,
    close: async () => {
      open = false;
      await served;
      for (const line of lines) line.destroy();
      await listener.close();
    },
  };
}
