/** What the contestants of the echo benchmark are made to do. */

/** One row. */
export interface Work {
  readonly name: string;
  /** Serialised size of a message. */
  readonly bytes: number;
  readonly connections: number;
  /** Messages on their way at any time, on each connection. */
  readonly inFlight: number;
  /** Rate that is asked of framewire, as a multiple of that of stock ws. */
  readonly targets: { readonly ws: number; readonly tcp: number };
}

/** What one contestant did for a while. */
export interface Sample {
  readonly messages: number;
  readonly elapsedMs: number;
  readonly clientCpuMicros: number;
  readonly serverCpuMicros: number;
}

export const WORKS: readonly Work[] = [
  { name: "ping-pong 64 B", bytes: 64, connections: 1, inFlight: 1, targets: { ws: 0.85, tcp: 0.95 } },
  { name: "ping-pong 16 KiB", bytes: 16384, connections: 1, inFlight: 1, targets: { ws: 2.5, tcp: 3 } },
  { name: "256 in flight, 64 B", bytes: 64, connections: 1, inFlight: 256, targets: { ws: 2, tcp: 2.5 } },
  { name: "256 in flight, 16 KiB", bytes: 16384, connections: 1, inFlight: 256, targets: { ws: 3, tcp: 3 } },
  { name: "100 connections × 8, 64 B", bytes: 64, connections: 100, inFlight: 8, targets: { ws: 1.6, tcp: 2 } },
];
