import type { CloseErrorCode } from "../errors.js";
import type { MethodDefinition } from "../protocol/definition.js";
import type { Transport } from "./transport.js";

/** Checks of what an application hands in, whose lists and texts a page does without: Node's entries put them in place. */
export interface Checks {
  /** @throws FramewireError `invalid-option` for an event that no client has, or a listener that is no function */
  clientEvent(event: string, listener: unknown): void;
  /** @throws FramewireError `invalid-option` for an option that no call has, or a value that cannot be */
  callOptions(options: object): void;
  /** @throws FramewireError `invalid-option` for a method that cannot be sent as a message */
  message(method: MethodDefinition): void;
  /** `message`, the reason why a link with this magic fails with `code`; it names the magic of the first frame that came, if that is another. */
  endOf(transport: Transport, magic: number, code: CloseErrorCode, message: string): string;
}

/** Absent on pages: a bundler sees it and drops what nobody can come to. */
export let checks: Checks | undefined;

export function provideChecks(provided: Checks): void {
  checks = provided;
}
