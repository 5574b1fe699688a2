/**
 * Where application callbacks end: hooks, handlers, listeners and what they return. They may throw, reject, or return promises of any make;
 * that harms what they were called for and nothing else, and a `failure` event tells it.
 */
import { FramewireError } from "../errors.js";
import { serving } from "./serving.js";

/** Something of the application failed. The peer does not get these details. */
export interface FailureEvent {
  /** The callback that failed, such as `authenticate`, or `on("frame")` for a listener. Absent: a handler or its middleware. */
  readonly hook?: string;
  /** The command that was being served, if it was one. */
  readonly command?: string;
  readonly error: unknown;
}

/** What a hook threw, on its way to a `failure` event. */
export class HookError {
  readonly hook: string;
  readonly error: unknown;

  constructor(hook: string, error: unknown) {
    this.hook = hook;
    this.error = error;
  }
}

/** What a hook threw, with the hook's name; a FramewireError is meant for the caller and stays as it is. */
export function thrownBy(hook: string, error: unknown): unknown {
  return error instanceof FramewireError ? error : new HookError(hook, error);
}

/** The event for what was thrown while `command` was served. */
export function failureOf(error: unknown, command: string): FailureEvent {
  // Only servers have hooks around what they serve.
  return serving && error instanceof HookError ? { hook: error.hook, command, error: error.error } : { command, error };
}

const nativeThen = Promise.prototype.then;

/**
 * The promise to wait for, if `value` is one of any make; `undefined` if it is a plain value. Its `then` is read once and called once, and
 * what that throws is a rejection.
 */
export function pending(value: unknown): Promise<unknown> | undefined {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return undefined;
  try {
    const { then } = value as { readonly then?: unknown };
    if (typeof then !== "function") return undefined;
    if (then === nativeThen && value.constructor === Promise) return value as Promise<unknown>;
    return new Promise((resolve, reject) => then.call(value, resolve, reject));
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * The same outcome as a promise that the application may leave un-awaited: its rejection is marked as seen. Only once it is there, as V8 finds
 * the caller's line of an error through promises that one alone waits for.
 */
export function handled<T>(promise: Promise<T>): Promise<T> {
  const marked = promise.then(undefined, (error: unknown) => {
    marked.catch(() => {});
    throw error;
  });
  return marked;
}

/** The result of a hook that has to decide at once. @throws what the hook throws, or TypeError if it returns a promise */
export function atOnce<T>(call: () => T): T {
  const result = call();
  const late = pending(result);
  if (late === undefined) return result;
  handled(late);
  throw new TypeError("it returned a promise; it must return its result at once");
}
