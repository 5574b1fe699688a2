/** Text that must not be longer than the protocol lets it be. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * `text`, cut between two code points to at most `maxBytes` of UTF-8. What is cut is a copy: a slice would keep the whole text in memory.
 * The cost grows with `maxBytes`, not with the text.
 */
export function cutText(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes) return text;
  const bytes = new Uint8Array(maxBytes);
  const { read, written } = encoder.encodeInto(text, bytes);
  return read === text.length ? text : decoder.decode(bytes.subarray(0, written));
}
