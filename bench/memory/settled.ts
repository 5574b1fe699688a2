/** Memory of this process when no garbage is left. */

/** Bytes of one process. */
export interface Memory {
  /** What the system counts as this process's memory. */
  readonly resident: number;
  /** Objects on V8's heap. */
  readonly heap: number;
  /** Buffers outside of it. */
  readonly external: number;
}

/** Collects garbage until there is none, then measures. Needs `--expose-gc`. */
export async function settledMemory(): Promise<Memory> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("started without --expose-gc");
  for (let i = 0; i < 4; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss: resident, heapUsed: heap, external } = process.memoryUsage();
  return { resident, heap, external };
}
