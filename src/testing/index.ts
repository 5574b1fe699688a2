/** `framewire/testing`: both ends of a connection in one process, without a socket. */
export type { Transport, TransportInfo, TransportReceiver } from "../connection/transport.js";
export type { MemoryPairOptions } from "../transport/memory.js";
export { memoryPair } from "../transport/memory.js";
