/** The listeners that speak TLS, and their certificates. */
import { createSecureContext, type TlsOptions, type Server as TlsServer } from "node:tls";
import { FramewireError } from "../errors.js";

/** New certificates, as `node:tls` takes them; what is not given stays as it is. */
export interface TlsReload {
  readonly ws?: TlsOptions;
  readonly tcp?: TlsOptions;
}

interface TlsListener {
  readonly kind: "ws" | "tcp";
  readonly server: TlsServer;
  settings: TlsOptions;
}

export class TlsListeners {
  #listeners: TlsListener[] = [];

  /** Makes a server. @throws FramewireError `invalid-option` for certificates that Node refuses */
  create(kind: "ws" | "tcp", settings: TlsOptions, make: (settings: TlsOptions) => TlsServer): TlsServer {
    const server = guarded(kind, () => make(settings));
    const listener: TlsListener = { kind, server, settings };
    this.#listeners.push(listener);
    server.once("close", () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    });
    return server;
  }

  /** @throws FramewireError `invalid-option` if there is no such listener or Node refuses the certificates: then nothing has changed. */
  reload(certificates: TlsReload): void {
    const changes: { readonly listener: TlsListener; readonly settings: TlsOptions }[] = [];
    for (const kind of ["ws", "tcp"] as const) {
      const given = certificates[kind];
      if (given === undefined) continue;
      const listeners = this.#listeners.filter((listener) => listener.kind === kind);
      if (listeners.length === 0) throw new FramewireError("invalid-option", `no ${kind} listener speaks TLS`);
      for (const listener of listeners) {
        // A new context forgets what it is not given, such as the authority that clients are checked with.
        const settings = { ...listener.settings, ...given };
        guarded(kind, () => createSecureContext(settings));
        changes.push({ listener, settings });
      }
    }
    for (const { listener, settings } of changes) {
      listener.server.setSecureContext(settings);
      listener.settings = settings;
    }
  }
}

function guarded<T>(kind: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new FramewireError("invalid-option", `the TLS settings of ${kind} are refused: ${(cause as Error).message}`, { cause });
  }
}
