/** What writes the message of a frame: a codec, and the writer that it may be given. */

/** What writes a message: ts-proto's message objects. Some can be given a writer in place of their own. */
export interface MessageEncoder<T> {
  encode(message: T, writer?: never): { finish(): Uint8Array };
}

/** Writes messages straight into a buffer that it is given, with the methods that generated code calls. */
export interface InPlaceWriter {
  /** Replaced by a larger one when it is full. */
  readonly buffer: Uint8Array;
  /** Where the next byte goes. */
  readonly position: number;
  busy: boolean;
  /** This writer, or a fresh one while it is busy. */
  acquire(): InPlaceWriter;
  begin(buffer: Uint8Array, at: number, limit: number): void;
  /** Makes room for so many bytes. */
  reserve(bytes: number): void;
  finish(): Uint8Array;
}
