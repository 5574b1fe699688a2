/** Reads along on both ends of every link: which frame had which sequence in which session, whether it arrived or not. */
import { type Frame, FrameDecoder, type FrameView } from "../../src/codec/index.js";
import { FrameKind } from "../../src/gen/framewire/v1/data_frame.js";
import { Hello, Welcome } from "../../src/gen/framewire/v1/session.js";
import type { Transport, TransportReceiver } from "../../src/link/transport.js";

/** One session, by what was sent in it. */
export class TappedSession {
  /** Reliable frames of the client and of the server, by their sequence. */
  readonly up = new Map<number, Frame>();
  readonly down = new Map<number, Frame>();
}

/** A server's end of a link. */
export interface TappedLink {
  /** Once the welcome was written. */
  session: TappedSession | undefined;
}

export class Wiretap {
  /** Sessions by their token, in the order in which their first welcome was written. */
  readonly sessions = new Map<string, TappedSession>();
  /** The session of the last welcome that the client got; `undefined` before the first. */
  current: TappedSession | undefined;
  /** The one before it, and whether the last welcome led from that to this. */
  former: TappedSession | undefined;
  anew = false;
  /** Whose bytes a server is reading right now. */
  reading: TappedLink | undefined;
  /** Frames that went out again with other contents. */
  readonly changed: string[] = [];

  /** Reads along on the server's end of a link. */
  server(transport: Transport): Transport {
    const link: TappedLink = { session: undefined };
    const decoder = seededDecoder((bytes) => {
      const welcome = Welcome.decode(bytes);
      link.session = this.#sessionOf(welcome);
      return welcome.checksumSeed;
    });
    return tapped(transport, {
      written: (bytes) => decoder(bytes, (frame) => link.session !== undefined && this.#note("down", link.session, frame)),
      reads: (read) => {
        this.reading = link;
        read();
        this.reading = undefined;
      },
    });
  }

  /** Reads along on the client's end of a link. */
  client(transport: Transport): Transport {
    let session: TappedSession | undefined;
    const outgoing = seededDecoder((hello) => Hello.decode(hello).checksumSeed);
    const incoming = seededDecoder((bytes) => {
      const welcome = Welcome.decode(bytes);
      session = this.#sessionOf(welcome);
      this.anew = session !== this.current;
      if (this.anew) this.former = this.current;
      this.current = session;
      return welcome.checksumSeed;
    });
    return tapped(transport, {
      written: (bytes) => outgoing(bytes, (frame) => session !== undefined && this.#note("up", session, frame)),
      reads: (read, bytes) => {
        incoming(bytes, () => {});
        read();
      },
    });
  }

  #sessionOf({ token }: Welcome): TappedSession {
    const name = Buffer.from(token).toString("hex");
    const session = this.sessions.get(name) ?? new TappedSession();
    this.sessions.set(name, session);
    return session;
  }

  #note(direction: "up" | "down", session: TappedSession, frame: Frame): void {
    const sequence = Number(frame.sequence ?? 0n);
    if (sequence === 0) return;
    const before = session[direction].get(sequence);
    if (before === undefined) session[direction].set(sequence, frame);
    else if (describe(before) !== describe(frame))
      this.changed.push(`${direction} ${sequence}: ${describe(before)} became ${describe(frame)}`);
  }
}

function describe({ kind, callId, cmd, payload }: Frame): string {
  return `${kind ?? 0} ${callId ?? 0} ${cmd} ${Buffer.from(payload ?? []).toString("hex")}`;
}

/** Decodes one direction of one link, whose first frame brings the seed of the others. */
function seededDecoder(seedOf: (firstPayload: Uint8Array) => number): (bytes: Uint8Array, onFrame: (frame: Frame) => void) => void {
  const decoder = new FrameDecoder();
  let first = true;
  return (bytes, onFrame) =>
    decoder.push(bytes, (view: FrameView) => {
      const frame = view.copy();
      if (!first) return onFrame(frame);
      first = false;
      if (frame.kind === FrameKind.FRAME_KIND_GOAWAY) return;
      decoder.update({ checksumSeed: seedOf(frame.payload as Uint8Array), minVersion: 2 });
    });
}

interface Ears {
  written(bytes: Uint8Array): void;
  /** The transport's owner reads `bytes` when it calls `read`. */
  reads(read: () => void, bytes: Uint8Array): void;
}

/** The same transport, with somebody reading along. */
function tapped(inner: Transport, ears: Ears): Transport {
  return new Proxy(inner, {
    get(target, name) {
      if (name === "write") {
        return (bytes: Uint8Array) => {
          ears.written(bytes.slice());
          target.write(bytes);
        };
      }
      if (name === "open") {
        return (receiver: TransportReceiver) =>
          target.open({
            onData: (chunk) => ears.reads(() => receiver.onData(chunk), chunk.slice()),
            onAlive: (weight) => receiver.onAlive(weight),
            onViolation: (message, error) => receiver.onViolation?.(message, error),
            onDrain: () => receiver.onDrain(),
            onClose: (...end) => receiver.onClose(...end),
          });
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
