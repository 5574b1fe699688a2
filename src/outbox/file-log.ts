/**
 * The records of a file outbox. The file is a stream of framewire frames, version 2, each with its checksum: what is
 * torn or damaged is found and passed over as on a wire, and `framewire decode` shows the file.
 *
 * - header: kind hello; the payload is the format's number and the seed of all further checksums, 4 bytes each. With a
 *   seed of its own no payload can hold a record that a damaged file would give away for real.
 * - entry: the frame as it will be sent, with the entry's id as its sequence
 * - number: kind ack; `sequence` is the entry's id, `ack` the sequence it goes out with, absent = none
 * - removed: kind cancel; `sequence` is the entry's id
 * - session: kind welcome; the payload is the token, `call_id` the lowest number that no call has used, `sequence` the attempts made
 */
import { type Discard, FrameDecoder, FrameEncoder, type FrameView } from "../codec/index.js";
import { FramewireError } from "../errors.js";
import { FrameKind } from "../gen/framewire/v1/data_frame.js";
import { NO_SESSION, type OutboxContents, type OutboxFrame, type OutboxSession } from "./storage.js";

const FORMAT = 1;
const UNBOUNDED = 0x7fff_ffff;
const VERSION = 2;

/** Writes records into one buffer. */
export class LogWriter {
  readonly #encoder = new FrameEncoder({ maxPayload: UNBOUNDED, maxTrailer: UNBOUNDED });

  /** Bytes written and not taken. */
  get length(): number {
    return this.#encoder.length;
  }

  /** The first record of a file. */
  header(seed: number): void {
    const payload = new Uint8Array(8);
    const view = new DataView(payload.buffer);
    view.setUint32(0, FORMAT, true);
    view.setUint32(4, seed, true);
    this.#encoder.checksumSeed = undefined;
    this.#encoder.append({ version: VERSION, cmd: 0, kind: FrameKind.FRAME_KIND_HELLO, payload });
    this.#encoder.checksumSeed = seed;
  }

  entry(id: number, frame: OutboxFrame): void {
    this.#encoder.append({ ...frame, version: VERSION, sequence: id });
  }

  number(id: number, sequence: number): void {
    const ack = sequence === 0 ? undefined : sequence;
    this.#encoder.append({ version: VERSION, cmd: 0, kind: FrameKind.FRAME_KIND_ACK, sequence: id, ack });
  }

  removed(id: number): void {
    this.#encoder.append({ version: VERSION, cmd: 0, kind: FrameKind.FRAME_KIND_CANCEL, sequence: id });
  }

  session({ token, callIds, attempts }: OutboxSession): void {
    const kind = FrameKind.FRAME_KIND_WELCOME;
    this.#encoder.append({ version: VERSION, cmd: 0, kind, payload: token, callId: callIds, sequence: attempts });
  }

  /** The bytes written since the last take. */
  take(): Uint8Array {
    return this.#encoder.take();
  }
}

/** Reads a file back, chunk by chunk. */
export class LogReader {
  readonly #decoder = new FrameDecoder({
    maxPayload: UNBOUNDED,
    maxTrailer: UNBOUNDED,
    minVersion: VERSION,
    onDiscard: (discard) => this.#discarded(discard),
  });
  readonly #entries = new Map<number, { readonly frame: OutboxFrame; sequence: number }>();
  #session = NO_SESSION;
  #headed = false;
  #damagedBytes = 0;
  #wholeBytes = 0;
  /** Bytes passed over since the last whole record: if none follows, the last write was cut short. */
  #tornBytes = 0;

  /** Offset of the end of the last whole record. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk, this.#onFrame);
  }

  /** What the file holds. @throws FramewireError `outbox-failed` if it is none of ours */
  end(): OutboxContents {
    this.#decoder.end(this.#onFrame);
    if (!this.#headed && this.#decoder.stats.bytes > 0) notOurs();
    const entries = [...this.#entries].map(([id, entry]) => ({ id, ...entry }));
    return { session: this.#session, entries, damagedBytes: this.#damagedBytes };
  }

  #discarded({ start, end }: Discard): void {
    this.#tornBytes += end - start;
  }

  readonly #onFrame = (frame: FrameView): void => {
    this.#damagedBytes += this.#tornBytes;
    this.#tornBytes = 0;
    this.#wholeBytes = frame.end;
    const { kindNumber: kind, cmd } = frame;
    if (!this.#headed) return this.#readHeader(frame);
    const id = frame.sequenceNumber;
    if (cmd !== 0) {
      this.#entries.set(id, { frame: entryOf(frame), sequence: 0 });
    } else if (kind === FrameKind.FRAME_KIND_ACK) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.sequence = frame.ackNumber;
    } else if (kind === FrameKind.FRAME_KIND_CANCEL) {
      this.#entries.delete(id);
    } else if (kind === FrameKind.FRAME_KIND_WELCOME) {
      this.#session = { token: frame.payload.slice(), callIds: frame.callIdNumber, attempts: id };
    }
  };

  #readHeader({ kindNumber, cmd, payload, start }: FrameView): void {
    if (start !== 0 || cmd !== 0 || kindNumber !== FrameKind.FRAME_KIND_HELLO || payload.length !== 8) notOurs();
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const format = view.getUint32(0, true);
    if (format !== FORMAT) throw new FramewireError("outbox-failed", `the outbox has the format ${format}; this version reads ${FORMAT}`);
    this.#decoder.update({ checksumSeed: view.getUint32(4, true) });
    this.#headed = true;
  }
}

function notOurs(): never {
  throw new FramewireError("outbox-failed", "the file is not an outbox");
}

function entryOf({ cmd, kind, callId, payload, timeoutMs, trace, ext }: FrameView): OutboxFrame {
  return { cmd, kind, callId, payload: payload.slice(), timeoutMs, trace, ext: ext?.slice() };
}
