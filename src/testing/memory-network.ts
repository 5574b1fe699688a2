/** A network in memory: clients connect to a server without sockets, and the network misbehaves as told. */

import type { Connector } from "../client/client-options.js";
import { FramewireError } from "../errors.js";
import type { Transport } from "../link/transport.js";
import { redactedUrl } from "../runtime/redacted-url.js";
import { memoryPair } from "../transport/memory.js";
import { Chaos, type ChaosOptions } from "./chaos.js";
import { FaultyTransport } from "./faulty-transport.js";

/** Options of a network in memory. */
export interface MemoryNetworkOptions extends ChaosOptions {
  /** Bytes come in messages that no frame spans, as on WebSocket. Default false: one stream, as on TCP. */
  readonly messages?: boolean;
  /** Wire version "negotiated" below; default `undefined`: the first frame decides. */
  readonly protocol?: 1 | 2;
}

/**
 * Joins clients and servers: `createClient("ws://memory", { connector: network.connector(server), clock })`. With a
 * {@link VirtualClock} handed to network, server and client a test of hours runs in milliseconds, the same each time.
 */
export class MemoryNetwork extends Chaos {
  readonly #options: MemoryNetworkOptions;
  /** While false, every attempt to connect fails, as at a host that is down. */
  reachable = true;

  constructor(options: MemoryNetworkOptions = {}) {
    super(options);
    this.#options = options;
  }

  /** What opens links to `server`, for the option `connector` of a client. */
  connector(server: { accept(transport: Transport): void }): Connector {
    return async (url) => {
      if (!this.reachable) throw new FramewireError("connect-failed", `could not connect to ${redactedUrl(url)}: the network is down`);
      const { clock, messages = false, protocol } = this.#options;
      const [near, far] = memoryPair({
        messages,
        ...(protocol === undefined ? {} : { protocol }),
        ...(clock === undefined ? {} : { schedule: (deliver) => clock.defer(deliver) }),
      });
      server.accept(far);
      return new FaultyTransport(near, this);
    };
  }
}
