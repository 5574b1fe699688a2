/** From generated definitions and bare numbers to handlers and typed clients: the same for servers and clients. */
import { FramewireError, inFull } from "../errors.js";
import { checks } from "../link/checks.js";
import { checkNames } from "../options.js";
import { bareCommand, type Command, cmdName, type Handler, methodCommand } from "../protocol/commands.js";
import type {
  Awaitable,
  InputOf,
  MessageCodec,
  MethodDefinition,
  OutputOf,
  ServiceClient,
  ServiceDefinition,
  ServiceImplementation,
} from "../protocol/definition.js";
import { handled } from "../runtime/guard.js";
import type { Sent } from "../session/events.js";
import type { CallOptions } from "./call-options.js";
import type { Caller } from "./caller.js";
import type { CallContext } from "./context.js";
import type { Dispatcher } from "./dispatcher.js";

/** What a bare handler returns is the reply; `undefined` is none, for a peer that sent a one-way message or speaks version 1. */
export type BareHandler<C extends MessageCodec, R extends MessageCodec, Context> = (
  message: OutputOf<C>,
  context: Context,
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a return statement
) => Awaitable<InputOf<R> | void>;

/** Serves the methods of `definition` that `implementation` has. @throws FramewireError */
export function implementService<D extends ServiceDefinition, Context>(
  dispatcher: Dispatcher,
  definition: D,
  implementation: ServiceImplementation<D, Context>,
): void {
  const known = Object.keys(definition.methods);
  // Of a class, only what has the name of a method is meant for the service.
  const names = isPlain(implementation)
    ? Object.keys(implementation)
    : known.filter((name) => handlerOf(implementation, name) !== undefined);
  if (names.length === 0 && !isPlain(implementation)) {
    throw new FramewireError(
      "invalid-option",
      `the implementation has no method of ${definition.fullName}${inFull ? `: ${known.join(", ")}` : ""}`,
    );
  }
  for (const name of names) {
    const method = Object.hasOwn(definition.methods, name) ? definition.methods[name] : undefined;
    const handler = handlerOf(implementation, name);
    if (method === undefined || typeof handler !== "function") {
      throw new FramewireError(
        "invalid-option",
        `${definition.fullName} has no method ${name}${inFull ? `; it has ${known.join(", ")}` : ""}`,
      );
    }
    dispatcher.registry.add(methodCommand(definition.fullName, method), handler.bind(implementation) as Handler["run"]);
  }
}

/** An object literal of any realm, or one without a prototype. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A property of an object or of its classes, but not of `Object`, whose `toString` is no handler; nor is a class's `constructor`. */
function handlerOf(implementation: object, name: string): unknown {
  for (let holder = implementation; holder === implementation || Object.getPrototypeOf(holder) !== null; ) {
    if (Object.hasOwn(holder, name)) {
      return holder !== implementation && name === "constructor" ? undefined : Reflect.get(implementation, name);
    }
    holder = Object.getPrototypeOf(holder);
    if (holder === null) return undefined;
  }
  return undefined;
}

const HANDLE_OPTIONS = { reply: 0 };

/** Serves a bare command. The reply is encoded with `reply`, by default with the codec of the message. @throws FramewireError */
export function handleCommand(
  dispatcher: Dispatcher,
  cmd: number,
  codec: MessageCodec,
  handler: (...args: never[]) => unknown,
  options: { readonly reply?: MessageCodec },
): void {
  checkNames("handle", options, HANDLE_OPTIONS);
  const { reply = codec } = options;
  if (typeof handler !== "function") throw new FramewireError("invalid-option", `the handler of ${cmdName(cmd)} is not a function`);
  dispatcher.registry.add(bareCommand(cmd, codec, reply, false), handler as Handler["run"]);
}

/**
 * Sends a one-way message: of a method, then `first` is the message and `second` the options, or of a bare command, with its codec as `first` and
 * the message as `second`.
 */
export async function sendMessage(
  caller: Caller,
  target: MethodDefinition | number,
  first: unknown,
  second: unknown,
  options: CallOptions | undefined,
): Promise<Sent> {
  if (typeof target === "number")
    return caller.send(bareCommand(target, first as MessageCodec, first as MessageCodec, true), second, options);
  checks?.message(target);
  return caller.send(methodCommand("", target), first, second as CallOptions | undefined);
}

/** The typed client of `definition` over `caller`. A method without a command fails when it is called, with `invalid-option`. */
export function serviceClient<D extends ServiceDefinition>(caller: Caller, { fullName, methods }: D): ServiceClient<D, CallOptions> {
  // No prototype, so that no method can be mistaken for one of Object's.
  const client: Record<string, unknown> = Object.create(null);
  for (const [name, method] of Object.entries(methods)) {
    try {
      client[name] = clientMethod(caller, methodCommand(fullName, method));
    } catch {
      // Throws again, with the stack of the caller.
      const refuse = () => methodCommand(fullName, method);
      client[name] = method.responseStream ? () => ({ [Symbol.asyncIterator]: refuse }) : async () => refuse();
    }
  }
  return client as ServiceClient<D, CallOptions>;
}

function clientMethod(caller: Caller, command: Command): unknown {
  if (command.oneWay) {
    const send = async (message: unknown, options?: CallOptions) => {
      await caller.send(command, message, options);
      return command.response.decode(new Uint8Array(0));
    };
    return (message: unknown, options?: CallOptions) => handled(send(message, options));
  }
  return command.responseStream
    ? (request: unknown, options?: CallOptions) => caller.stream(command, request, options)
    : (request: unknown, options?: CallOptions) => caller.call(command, request, options);
}

/** The context type of handlers on an endpoint whose connections are `C`. */
export type ContextOf<C> = CallContext<C>;
