/** `framewire/testing` where there is no Node: everything but the TCP proxy. */

export type { Transport, TransportInfo, TransportReceiver } from "../link/transport.js";
export type { Clock, Timer } from "../runtime/clock.js";
export type { MemoryPairOptions } from "../transport/memory.js";
export { memoryPair } from "../transport/memory.js";
export type { ChaosOptions, ChaosStats } from "./chaos.js";
export type { DirectionFaults, FaultSource, LinkFaults, ProfileName, Span } from "./faults.js";
export { PROFILE_NAMES } from "./faults.js";
export type { Direction } from "./faulty-link.js";
export { faultyTransport } from "./faulty-transport.js";
export type { MemoryNetworkOptions } from "./memory-network.js";
export { MemoryNetwork } from "./memory-network.js";
export { SeededRandom } from "./random.js";
export { VirtualClock } from "./virtual-clock.js";
