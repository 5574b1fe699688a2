/** Bytes of any make: views and buffers of another realm, such as jsdom's or a vm context's, are no `instanceof` ours. */

/** What `value` holds, as a Uint8Array over the same memory; `undefined` if it is neither a view nor a buffer. */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    if (tagOf(value) === "Uint8Array") return value as Uint8Array;
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  const tag = tagOf(value);
  return tag === "ArrayBuffer" || tag === "SharedArrayBuffer" ? new Uint8Array(value as ArrayBuffer) : undefined;
}

function tagOf(value: unknown): unknown {
  return typeof value === "object" && value !== null
    ? (value as { readonly [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
    : undefined;
}

/** Copies `source` to the place `at` of `target`. Few bytes are copied faster one by one. */
export function copyInto(source: Uint8Array, target: Uint8Array, at: number): void {
  if (source.length > 24) target.set(source, at);
  else for (let i = 0; i < source.length; i++) target[at + i] = source[i]!;
}
