/** Drives the peers that are Node streams. */
import { once } from "node:events";
import type { Writable } from "node:stream";

/**
 * Writes all chunks and ends the stream. It waits for `drain` only when the stream has not taken the chunk on the
 * spot, which is kinder to the peer than what `pipe` does.
 */
export async function pump(stream: Writable, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) {
    if (!stream.write(chunk) && stream.writableLength > 0) await once(stream, "drain");
  }
}
