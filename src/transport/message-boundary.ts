import { USELESS_FRAME_WEIGHT } from "../link/rate-limit.js";
import { PROGRESS_BYTES } from "../link/transport.js";

/** Memory of the view that is kept of a fragment. */
const FRAGMENT_MEMORY = 192;

/** Opcode of a close frame. */
const CLOSE = 8;

/**
 * Follows the frame headers of a WebSocket stream, RFC 6455 section 5.2, to know whether a message is under way:
 * libraries tell of a message only when it is whole, and a peer may take its time.
 */
export class MessageBoundary {
  /** Bytes of payload left in the frame at hand. */
  #payload = 0;
  /** Bytes read of the header at hand: 0, 1 or 2 and more. */
  #headerRead = 0;
  #first = 0;
  /** Bytes of the extended length, and then of the masking key, that are still to come. */
  #lengthBytes = 0;
  #maskBytes = 0;
  /** A message has more frames to come. */
  #fragmented = false;
  /** Messages begun, and parts of {@link PROGRESS_BYTES} of them that have arrived. */
  #progress = 0;
  /** Bytes of the part at hand. */
  #part = 0;
  /** The message at hand has brought bytes, and so has the frame. */
  #messageFilled = false;
  #frameFilled = false;
  /**
   * What the frames that ended in the last chunk weigh beside the bytes that they bring: control frames and those without a
   * payload as frames of no use, fragments as a frame each. An empty fragment that ends a message is a fragment like the others.
   */
  weight = 0;
  /** A close frame ended in the last chunk. */
  closed = false;
  /** Memory of what is kept of the message at hand: the chunks that brought it, and a view for each of its fragments. */
  memory = 0;

  /**
   * A number for the message that has begun and not ended, 0 if there is none; it grows as the message does. Control
   * frames count as messages, but within a fragmented one they are no progress.
   */
  get current(): number {
    return this.#fragmented || this.#headerRead > 0 ? this.#progress : 0;
  }

  /**
   * Gives how many bytes of the chunk, from its start, end with a message: a reader keeps nothing of these. 0 also if there is a control
   * frame among them, which is answered with bytes of its own.
   */
  push(chunk: Uint8Array): number {
    const end = chunk.length;
    let p = 0;
    let whole = 0;
    let control = false;
    this.weight = 0;
    this.closed = false;
    while (p < end) {
      if (this.#headerRead < 2 || this.#lengthBytes > 0 || this.#maskBytes > 0) {
        this.#header(chunk[p++]!);
      } else {
        const count = Math.min(this.#payload, end - p);
        this.#payload -= count;
        p += count;
        if (!this.#isControl()) this.#arrived(count);
      }
      if (this.#headerRead >= 2 && this.#lengthBytes === 0 && this.#maskBytes === 0 && this.#payload === 0) {
        control ||= this.#isControl();
        this.#frameEnded();
        if (!this.#fragmented) whole = p;
      }
    }
    if (this.current === 0) this.memory = 0;
    return control ? 0 : whole;
  }

  #header(byte: number): void {
    if (this.#headerRead === 0) {
      this.#first = byte;
      this.#headerRead = 1;
      this.#frameFilled = false;
      if (!this.#fragmented) {
        this.#messageFilled = false;
        this.#progress++;
        this.#part = 0;
      }
    } else if (this.#headerRead === 1) {
      this.#headerRead = 2;
      const length = byte & 0x7f;
      this.#lengthBytes = length === 126 ? 2 : length === 127 ? 8 : 0;
      this.#payload = this.#lengthBytes > 0 ? 0 : length;
      this.#maskBytes = (byte & 0x80) === 0 ? 0 : 4;
    } else if (this.#lengthBytes > 0) {
      this.#payload = this.#payload * 256 + byte;
      this.#lengthBytes--;
    } else {
      this.#maskBytes--;
    }
  }

  #isControl(): boolean {
    return (this.#first & 0x08) !== 0;
  }

  #arrived(bytes: number): void {
    this.#frameFilled = true;
    this.#part += bytes;
    this.#progress += Math.floor(this.#part / PROGRESS_BYTES);
    this.#part %= PROGRESS_BYTES;
  }

  #frameEnded(): void {
    this.#headerRead = 0;
    if (this.#isControl()) {
      if ((this.#first & 0x0f) === CLOSE) this.closed = true;
      else this.weight += USELESS_FRAME_WEIGHT;
      return;
    }
    const last = (this.#first & 0x80) !== 0;
    if (!this.#frameFilled && !(last && this.#messageFilled)) this.weight += USELESS_FRAME_WEIGHT;
    else if (this.#fragmented || !last) this.weight += 1;
    this.#messageFilled ||= this.#frameFilled;
    this.#fragmented = !last;
    this.memory = last ? 0 : this.memory + FRAGMENT_MEMORY;
  }
}
