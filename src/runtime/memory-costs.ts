/** Memory of the objects that go with what is counted in bytes, measured on Node 20 to 24 and rounded up. docs/decisions/accounts.md */

/** A chunk of bytes in memory of its own. */
export const CHUNK_MEMORY = 256;
/** The decoder of a stream that stands within a frame. */
export const DECODER_MEMORY = 2048;
/** A write that the socket has not taken. */
export const WRITE_MEMORY = 512;
/** A frame in a queue, beside what the queue counts itself. */
export const QUEUED_MEMORY = 384;
/** A call or message whose handler runs: context, promises, the entry of its table; and a timer or the like that it waits for. */
export const CALL_MEMORY = 1536;

/** A session whose client is away. */
export const SESSION_MEMORY = 2048;

/** A decoded message that waits, by the length of its payload: text may take two bytes for a character that came in one. */
export function messageMemory(payload: number): number {
  return 2 * payload + 192;
}
