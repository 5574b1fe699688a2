/** The checks of {@link Checks}, for Node's builds. */
import { type CloseErrorCode, FramewireError } from "../errors.js";
import { provideChecks } from "../link/checks.js";
import type { Transport } from "../link/transport.js";
import { useNearestNames } from "../nearest.js";
import { checkNames, isTimeout, MAX_TIMEOUT_MS } from "../options.js";
import { messageCommand } from "../protocol/commands.js";
import { checkListener } from "../runtime/emitter.js";
import { CONNECTION_EVENTS } from "../session/events.js";
import type { CallOptions } from "./call-options.js";
import { useExplanations } from "./explanations.js";

const CLIENT_EVENTS = { ...CONNECTION_EVENTS, state: 0 };

const CALL_OPTIONS = {
  signal: 0,
  timeoutMs: 0,
  metadata: 0,
  trace: 0,
  parent: 0,
  onMetadata: 0,
  whenBusy: 0,
  reply: 0,
} satisfies Record<keyof CallOptions | "reply", 0>;

function checkCall(options: CallOptions): void {
  checkNames("the call", options, CALL_OPTIONS);
  const { timeoutMs, trace, whenBusy } = options;
  if (!isTimeout(timeoutMs)) wrong("timeoutMs", timeoutMs, `a number from 0 to ${MAX_TIMEOUT_MS}, or Infinity`);
  if (trace !== undefined && typeof trace !== "string") wrong("trace", trace, "text");
  if (whenBusy !== undefined && whenBusy !== "wait" && whenBusy !== "fail") wrong("whenBusy", whenBusy, '"wait" or "fail"');
}

function wrong(name: string, value: unknown, wanted: string): never {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw new FramewireError("invalid-option", `${name} is ${shown}; it must be ${wanted}`);
}

/** One flipped bit looks the same as another magic: the code stays that of damage, and the next attempt may do better. */
function endOf({ firstMagic = -1 }: Transport, magic: number, code: CloseErrorCode, message: string): string {
  if (code !== "resync-budget" || firstMagic === -1 || firstMagic === magic) return message;
  return `${message}; another magic: ${hex(firstMagic)} in place of ${hex(magic)}`;
}

const hex = (magic: number) => `0x${magic.toString(16).toUpperCase().padStart(8, "0")}`;

/** From here on names and call options are checked in full, and errors explain themselves. */
export function useStrictChecks(): void {
  useNearestNames();
  useExplanations();
  provideChecks({
    clientEvent: (event, listener) => checkListener("a client", event, listener, CLIENT_EVENTS),
    callOptions: checkCall,
    message: messageCommand,
    endOf,
  });
}
