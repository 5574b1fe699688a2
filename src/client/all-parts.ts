/** The parts of a client that a page may leave out. `createClient` of framewire/client has all of them. */
import { Dispatcher } from "../calls/dispatcher.js";
import { type ConnectionParts, exchange, sendCredit, serve } from "../calls/parts.js";
import { handleCommand, implementService } from "../calls/registration.js";
import { sendStream } from "../calls/send-stream.js";
import type { ResolvedConnectionOptions } from "../options.js";
import { versionOneAgreement } from "../session/handshake.js";
import type { NegotiatedSettings } from "../session/negotiated-settings.js";
import type { ClientLog } from "./client-log.js";
import type { ClientOptions } from "./client-options.js";

export interface ClientParts extends ConnectionParts {
  newDispatcher(): Dispatcher;
  readonly implement: typeof implementService;
  readonly handle: typeof handleCommand;
  /** Wire versions to offer, best first. */
  readonly versions: readonly (1 | 2)[];
  /** What holds with a version 1 server. @throws FramewireError where the client does not speak version 1 */
  versionOne(options: ResolvedConnectionOptions): NegotiatedSettings;
  /** What writes to the `logger` of the options; `url` as it may be shown. */
  log(options: ClientOptions, url: string): ClientLog;
}

/** All parts, with the log of the platform. */
export function everyPart(log: ClientParts["log"]): ClientParts {
  return {
    serve,
    exchange,
    sendCredit,
    sendStream,
    newDispatcher: () => new Dispatcher(),
    implement: implementService,
    handle: handleCommand,
    versions: [2, 1],
    versionOne: versionOneAgreement,
    log,
  };
}
