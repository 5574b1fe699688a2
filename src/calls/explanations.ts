/** The texts of {@link Explain}, for Node's builds. */

import { useFullErrors } from "../errors.js";
import { type CallingSide, type LateCall, type Linked, provideExplain } from "../session/explain.js";

const owners = new WeakMap<object, () => string>();

/** A connection without an owner of its own is a server's. */
function away(connection: Linked): string {
  if (connection.link !== undefined) return "the peer does not read, or will close soon";
  return owners.get(connection)?.() ?? "the client has no connection now";
}

function timeout(call: LateCall, host: CallingSide, open: number): string {
  const { sent } = call.request;
  const whose = ` (${limitOf(call, host)}); `;
  if (host.link === undefined) return `${whose}${sent ? "it was sent, but" : "it was never sent:"} ${away(host)}`;
  if (sent) return `${whose}it was sent, and no reply came`;
  return `${whose}it was never sent: ${open > host.peerMaxCalls ? `the receiver's maxCalls is ${host.peerMaxCalls}` : away(host)}`;
}

function late(handlers: number): string {
  return handlers === 0 ? "" : `, and the handlers of ${handlers} that have ended still run`;
}

function limitOf({ options, request }: LateCall, host: CallingSide): string {
  const own = options.timeoutMs ?? host.options.timeoutMs;
  if (request.timeoutMs !== Math.ceil(own)) return "what was left of the call that it was made for";
  return options.timeoutMs === undefined ? "timeoutMs of this side" : "timeoutMs of the call";
}

/** From here on errors say why nothing was sent or came back. */
export function useExplanations(): void {
  useFullErrors();
  provideExplain({ timeout, late, away, owned: (connection, describe) => owners.set(connection, describe) });
}
