/** The `logger` option: its form, its default in browsers, and one way to write a line that harms nothing. */
import { FramewireError } from "../errors.js";
import type { Logger } from "../options.js";
import { handled, pending } from "./guard.js";

export type LogLevel = keyof Logger;

/** What a line tells besides its text. `err`: what was thrown, as it was thrown. */
export type LogFacts = Readonly<Record<string, unknown>>;

/** Writes one line. The text is always the same for one kind of line. */
export type WriteLog = (level: LogLevel, facts: LogFacts, message: string) => void;

/** Writes lines to `logger`, by default warnings and errors to the console. Never throws. */
export function logTo(logger: Logger | false | undefined): WriteLog {
  if (logger === false) return () => {};
  const to: Partial<Logger> = logger ?? consoleLogger;
  return (level, facts, message) => {
    try {
      const late = pending(to[level]?.(facts, message));
      if (late !== undefined) handled(late);
    } catch {
      // A logger that fails has nowhere to say so.
    }
  };
}

const consoleLogger: Partial<Logger> = {
  warn: (facts, message) => console.warn(`framewire: ${message}`, facts),
  error: (facts, message) => console.error(`framewire: ${message}`, facts),
};

/** The text for something of the application that failed. */
export function failureText({ hook, command }: { readonly hook?: string; readonly command?: string }): string {
  if (hook !== undefined) return "a hook or listener failed";
  return command === undefined ? "something failed" : "a handler failed";
}

/** The facts of something of the application that failed. */
export function failureFacts({
  hook,
  command,
  error,
}: {
  readonly hook?: string;
  readonly command?: string;
  readonly error: unknown;
}): LogFacts {
  return {
    ...(hook === undefined ? undefined : { hook }),
    ...(command === undefined ? undefined : { method: command }),
    code: error instanceof FramewireError ? error.code : "internal",
    err: error,
  };
}
