/** Options of framewire's servers in benchmarks. All others stay at their defaults. */
import type { ServerOptions } from "../src/server/index.js";

/**
 * Limits against a single client that takes too much: here one address is all clients, and sends as fast as it can.
 * Raised, not switched off: what is counted against them goes on being counted.
 */
export const BENCH_LIMITS: ServerOptions = {
  maxConnections: 1_000_000,
  maxConnectionsPerAddress: 1_000_000,
  maxFramesPerSecond: 1_000_000_000,
  maxBytesPerSecond: 1_000_000_000_000,
};
