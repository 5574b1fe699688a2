/** Commands: what a method or a bare number is on the wire, and the registry that finds its handler. */
import { FramewireError, inFull } from "../errors.js";
import type { Delivery } from "../gen/framewire/v1/command.js";
import { MethodOption } from "./control-messages.js";
import type { MessageCodec, MethodDefinition } from "./definition.js";

/** Field 50311 of google.protobuf.MethodOptions, length-delimited, as ts-proto keys unknown fields. */
const COMMAND_OPTION_TAG = (50311 << 3) | 2;

/** What a sender does with a receiver that does not keep up. */
export type SlowConsumerPolicy = "close" | "drop-newest" | "drop-oldest" | "keep-latest";

/** One command, ready for use. */
export interface Command {
  /** Nonzero int32. */
  readonly cmd: number;
  /** `package.Service/Method`, or `0x201` for a bare command. */
  readonly name: string;
  /** Numbered, kept until acknowledged, sent again after a reconnect. */
  readonly reliable: boolean;
  readonly slowConsumer: SlowConsumerPolicy;
  /** Sent as a message; nothing comes back. */
  readonly oneWay: boolean;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: MessageCodec;
  readonly response: MessageCodec;
}

/** In the order of the schema's SlowConsumer. */
const POLICIES: readonly SlowConsumerPolicy[] = ["close", "close", "drop-newest", "drop-oldest", "keep-latest"];

const AT_MOST_ONCE = 2 satisfies Delivery;

/** The tag of field 1, length-delimited. */
const FIRST_FIELD_TAG = 0x0a;

const commandOfMethod = new WeakMap<MethodDefinition, Command>();

/**
 * Reads the `framewire.v1.command` option of a generated method.
 * @throws FramewireError `invalid-option` if the method has none, or its cmd is 0.
 */
export function methodCommand(service: string, method: MethodDefinition): Command {
  const known = commandOfMethod.get(method);
  // Where the method alone was given, its command has a name without the service.
  if (known !== undefined && (service === "" || known.name !== method.name)) return known;
  if (method?.requestType === undefined) throw new FramewireError("invalid-option", "this is not a method of a generated service");
  const name = service === "" ? method.name : `${service}/${method.name}`;
  const bytes = method.options._unknownFields?.[COMMAND_OPTION_TAG]?.at(-1);
  if (bytes === undefined) {
    throw new FramewireError(
      "invalid-option",
      `${name} has no (framewire.v1.command) option${inFull ? "; give it one, such as { cmd: 257 }" : ""}`,
    );
  }
  // The bytes are a length and the message, as they stood behind the extension's own tag.
  const { command: options } = MethodOption.decode(Uint8Array.of(FIRST_FIELD_TAG, ...bytes));
  const command: Command = {
    cmd: checkCmd(options.cmd, name),
    name,
    reliable: options.delivery !== AT_MOST_ONCE,
    slowConsumer: POLICIES[options.slowConsumer] ?? "close",
    oneWay: options.oneWay,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    request: method.requestType,
    response: method.responseType,
  };
  commandOfMethod.set(method, command);
  return command;
}

/** The command of a method whose messages are sent by themselves. @throws FramewireError `invalid-option` if the method has streams */
export function messageCommand(method: MethodDefinition): Command {
  const command = methodCommand("", method);
  if (!command.requestStream && !command.responseStream) return command;
  throw new FramewireError("invalid-option", `${command.name} has streams and cannot be sent as a message; call it through service(…)`);
}

/** A command without a method: a number and the codec of its message. */
export function bareCommand(cmd: number, request: MessageCodec, response: MessageCodec, oneWay: boolean): Command {
  const name = cmdName(cmd);
  checkCmd(cmd, name);
  checkCodec(request, name);
  if (response !== request) checkCodec(response, name);
  return { cmd, name, reliable: true, slowConsumer: "close", oneWay, requestStream: false, responseStream: false, request, response };
}

/** How a command without a name is shown. */
export function cmdName(cmd: number): string {
  if (typeof cmd !== "number") return String(cmd);
  return cmd < 0 ? String(cmd) : `0x${cmd.toString(16).padStart(4, "0")}`;
}

function checkCodec(codec: unknown, name: string): void {
  const { encode, decode } = (codec ?? {}) as Partial<MessageCodec>;
  if (typeof encode === "function" && typeof decode === "function") return;
  throw new FramewireError("invalid-option", `${name}: the codec has no ${typeof encode === "function" ? "decode" : "encode"}`);
}

function checkCmd(cmd: number, name: string): number {
  if (!Number.isInteger(cmd) || cmd === 0 || cmd !== (cmd | 0)) {
    throw new FramewireError("invalid-option", `${name}: cmd is ${cmd}; it must be an int32 other than 0`);
  }
  return cmd;
}

/** A command with the function that serves it. `run` gets a message or, for request streams, an AsyncIterable. */
export interface Handler {
  readonly command: Command;
  readonly run: (request: never, context: never) => unknown;
}

/** The handlers of one server or client, found by cmd. */
export class CommandRegistry {
  readonly #handlers = new Map<number, Handler>();

  /** @throws FramewireError `duplicate-command` if the cmd is taken: one cmd means one method in a whole registry. */
  add(command: Command, run: Handler["run"]): void {
    const taken = this.#handlers.get(command.cmd);
    if (taken !== undefined) {
      throw new FramewireError(
        "duplicate-command",
        `cmd ${cmdName(command.cmd)} of ${command.name} already belongs to ${taken.command.name}${inFull ? "; one cmd means one method" : ""}`,
      );
    }
    this.#handlers.set(command.cmd, { command, run });
  }

  get(cmd: number): Handler | undefined {
    return this.#handlers.get(cmd);
  }
}
