/** `framewire/testing`: links that break, and time that a test turns by hand. docs/testing.md shows how. */

export type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
export type { Clock, Timer } from "../runtime/clock.js";
export type { MemoryPairOptions } from "../transport/memory.js";
export { memoryPair } from "../transport/memory.js";
export type { ChaosOptions, ChaosStats } from "./chaos.js";
export type { ChaosProxyOptions } from "./chaos-proxy.js";
export { ChaosProxy, createChaosProxy } from "./chaos-proxy.js";
export type { DirectionFaults, FaultSource, LinkFaults, ProfileName, Span } from "./faults.js";
export { PROFILE_NAMES } from "./faults.js";
export type { Direction } from "./faulty-link.js";
export { faultyTransport } from "./faulty-transport.js";
export type { MemoryNetworkOptions } from "./memory-network.js";
export { MemoryNetwork } from "./memory-network.js";
export { SeededRandom } from "./random.js";
export { VirtualClock } from "./virtual-clock.js";
