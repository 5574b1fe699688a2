/** The parts of framewire/client/core, and what stands in for one that a client does not use. */
import { Dispatcher } from "../../calls/dispatcher.js";
import { exchange, sendCredit, serve } from "../../calls/parts.js";
import { handleCommand, implementService } from "../../calls/registration.js";
import { sendStream } from "../../calls/send-stream.js";
import { type ErrorCode, FramewireError, statusOf } from "../../errors.js";
import { cmdName } from "../../protocol/commands.js";
import { KIND_RESPONSE } from "../../protocol/frame-kind.js";
import type { InvalidEvent } from "../../session/events.js";
import { versionOneAgreement } from "../../session/handshake.js";
import { encodeExt } from "../../session/metadata.js";
import { Outgoing } from "../../session/outgoing.js";
import type { ClientParts } from "../all-parts.js";
import type { ClientOptions } from "../client-options.js";

declare const PART: unique symbol;

/** A part of a client, for its option `use`. */
export interface ClientPart {
  /** Never there: it only carries the type. */
  readonly [PART]: never;
}

/** What a client of framewire/client/core takes beside the options of every client. */
export interface CoreClientOptions extends ClientOptions {
  /** The parts that it has beyond calls with one request. Default: none. */
  readonly use?: readonly ClientPart[];
}

function partOf(parts: Partial<ClientParts>): ClientPart {
  return parts as unknown as ClientPart;
}

/** Handlers: `implement`, `handle` and `use`, for the calls and messages of the server. */
export function serving(): ClientPart {
  return partOf({ newDispatcher: () => new Dispatcher(), implement: implementService, handle: handleCommand, serve });
}

/** Servers that speak only version 1. */
export function version1(): ClientPart {
  return partOf({ versions: [2, 1], versionOne: versionOneAgreement, exchange });
}

/** Calls that stream their requests, with one response or a stream of them. */
export function clientStreams(): ClientPart {
  return partOf({ sendCredit, sendStream });
}

/** The part `logging` of a platform. */
export function loggingWith(log: ClientParts["log"]): ClientPart {
  return partOf({ log });
}

/** The error for what a part is needed for that the client does not use. */
function missing(part: string, what: string, code: ErrorCode = "invalid-option"): FramewireError {
  return new FramewireError(
    code,
    `${what} needs a part: import { ${part} } from "framewire/client/core" and pass it to createClient as { use: [${part}()] }`,
  );
}

const refuse =
  (...facts: Parameters<typeof missing>) =>
  (): never => {
    throw missing(...facts);
  };

function notServed(cmd: number): InvalidEvent {
  const command = cmdName(cmd);
  return { reason: "unknown-command", cmd, command, error: missing("serving", `${command} of the server`, "unimplemented") };
}

/** A dispatcher without handlers. */
const noDispatcher = () =>
  ({ registry: { get() {} }, unknown: notServed, use: refuse("serving", "use") }) as unknown as ReturnType<ClientParts["newDispatcher"]>;

/** A server's calls are answered, so that they fail there at once. */
const serveNothing: ClientParts["serve"] = (host) => ({
  size: 0,
  messages: 0,
  idle: true,
  onMessage: ({ cmd }) => host.invalid(notServed(cmd)),
  onRequest({ cmd, callIdNumber }) {
    const event = notServed(cmd);
    host.invalid(event);
    const response = new Outgoing({ cmd, name: event.command }, KIND_RESPONSE, callIdNumber, true);
    response.status = statusOf("unimplemented");
    response.ext = encodeExt(undefined, `no handler for the command ${event.command}`);
    host.answer(response);
    return true;
  },
  onItem: () => true,
  onEnd() {},
  onCredit() {},
  onCancel() {},
  abortWhere() {},
  failWhere() {},
  close() {},
});

/** Without a log, what failed in the application is shown all the same. */
const noLog: ClientParts["log"] = ({ logger }) => {
  if (logger) throw missing("logging", "the option logger");
  return {
    sink: {
      wants: () => false,
      heard(event, ...detail) {
        if (event === "failure" && logger === undefined) console.error("framewire:", ...detail);
      },
    },
    moved() {},
  };
};

/** What a client has that uses `use`. @throws FramewireError `invalid-option` if one of them is no part, or an option needs a part that is not among them */
export function partsOf(use: readonly ClientPart[] = [], version?: 1 | 2): ClientParts {
  const noVersion1 = refuse("version1", "a version 1 server", "version-unsupported");
  const parts: ClientParts = {
    newDispatcher: noDispatcher,
    implement: refuse("serving", "implement"),
    handle: refuse("serving", "handle"),
    serve: serveNothing,
    versions: [2],
    versionOne: noVersion1,
    exchange: noVersion1,
    sendCredit: refuse("clientStreams", "a stream of requests", "unimplemented"),
    sendStream: refuse("clientStreams", "a stream of requests"),
    log: noLog,
  };
  const isPart = (part: unknown) => typeof part === "object" && part !== null && Object.keys(part).every((name) => name in parts);
  if (!Array.isArray(use) || !use.every(isPart)) {
    throw new FramewireError("invalid-option", "use must be a list of parts, each of them called: { use: [serving()] }");
  }
  Object.assign(parts, ...use);
  if (version === 1 && parts.versionOne === noVersion1) throw missing("version1", "version: 1");
  return parts;
}
