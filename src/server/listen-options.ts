/** Where a server listens, and the addresses that it has opened. */
import type { Server as HttpServer } from "node:http";
import type { TlsOptions } from "node:tls";

/** Where to listen. */
export interface ListenOptions {
  readonly ws?: {
    /** Default 0: any free port. */
    readonly port?: number;
    /** Default `127.0.0.1`. */
    readonly host?: string;
    /** Only upgrades of this path are served. Default: all that no other server of framewire on the same HTTP server has. */
    readonly path?: string;
    /**
     * `"v1"`: every client is of version 1. One without a subprotocol is a connection as soon as it has upgraded: the server does not
     * wait for a first frame, and a hello closes with `version-unsupported`. Default: the peer decides.
     */
    readonly protocol?: "v1";
    /** An HTTP server of yours whose upgrades to serve, instead of one of our own; Express and Fastify have one. */
    readonly server?: HttpServer;
    /** Key and certificate, as `node:tls` takes them: makes it `wss`. */
    readonly tls?: TlsOptions;
  };
  readonly tcp?: {
    /** Default 0: any free port. */
    readonly port?: number;
    /** Default `127.0.0.1`. */
    readonly host?: string;
    /**
     * `"v1"`: every peer is of version 1, and a connection as soon as its socket is open (with TLS: secure). The server does not
     * wait for a first frame, and a hello closes with `version-unsupported`. Default: the peer decides.
     */
    readonly protocol?: "v1";
    /** Key and certificate, as `node:tls` takes them: makes it `tls`. */
    readonly tls?: TlsOptions;
  };
}

/** The names of these options. */
export const LISTEN_OPTIONS = {
  ws: { port: 0, host: 0, path: 0, protocol: 0, server: 0, tls: 0 } satisfies Record<keyof NonNullable<ListenOptions["ws"]>, 0>,
  tcp: { port: 0, host: 0, protocol: 0, tls: 0 } satisfies Record<keyof NonNullable<ListenOptions["tcp"]>, 0>,
};

/** One open address. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** For a client: `ws://127.0.0.1:8080`. */
  readonly url: string;
}

/** The addresses that are open now. */
export interface ListenAddresses {
  readonly ws?: ListenAddress;
  readonly tcp?: ListenAddress;
}
