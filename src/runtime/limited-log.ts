/** The log on servers and on Node: lines that a peer can cause are limited, texts of peers are printable, and by default each line is one on stderr. */
import { FramewireError } from "../errors.js";
import type { Logger } from "../options.js";
import { printable } from "../printable.js";
import type { Clock, Timer } from "./clock.js";
import { type LogFacts, logTo, type WriteLog } from "./logger.js";

/** Lines of one kind in any second, the one that counts the others included. */
const LINES_PER_SECOND = 10;
const SECOND_MS = 1_000;
/** Characters of one text in a line. */
const LONGEST_TEXT = 1_000;
const LEVELS = ["debug", "info", "warn", "error"] as const;
/** Errors of which a line tells: the one thrown and its causes. */
const CAUSES = 4;

/** Lines with one text about one method, hook or code. */
interface Kind {
  /** When the last lines were written, the oldest first. */
  readonly times: number[];
  /** Lines that were not written since the last one that was. */
  more: number;
  timer: Timer | undefined;
}

let latest: WriteLog | undefined;

/** Where lines go that are about the process: to the log of the server or client that was made last. */
export function logOfProcess(): WriteLog {
  return latest ?? logTo(stderrLogger);
}

/** Writes to `logger`, by default one line for each warning and error on stderr. @throws FramewireError `invalid-option` */
export function limitedLog(logger: Logger | false | undefined, clock: Clock): WriteLog {
  latest = newLog(logger, clock);
  return latest;
}

function newLog(logger: Logger | false | undefined, clock: Clock): WriteLog {
  if (logger === false) return logTo(false);
  if (logger !== undefined && LEVELS.some((level) => typeof logger?.[level] !== "function")) {
    throw new FramewireError("invalid-option", "logger must be false or have debug, info, warn and error");
  }
  const write = logTo(logger === undefined ? stderrLogger : logger);
  const kinds = new Map<string, Kind>();
  return (level, facts, message) => {
    // Without a logger, lines below a warning go nowhere.
    if (logger === undefined && (level === "debug" || level === "info")) return;
    const key = `${message} ${String(facts.method ?? facts.hook ?? facts.code)}`;
    let kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, (kind = { times: [], more: 0, timer: undefined }));
    if (admits(kind, clock.now())) return write(level, logger === undefined ? facts : printableFacts(facts), message);
    kind.more++;
    const { method, hook, code } = facts;
    kind.timer ??= clock.setTimer((kind.times[0] as number) + SECOND_MS - clock.now(), () => {
      const { more } = kind;
      kind.timer = undefined;
      kind.more = 0;
      admits(kind, clock.now());
      write(level, { method, hook, code, more }, `… and ${more} more of these: ${message}`);
    });
  };
}

/** Whether a line may be written now; then it counts. */
function admits(kind: Kind, now: number): boolean {
  if (kind.more > 0) return false;
  const { times } = kind;
  while (times.length > 0 && now - (times[0] as number) >= SECOND_MS) times.shift();
  if (times.length >= LINES_PER_SECOND) return false;
  times.push(now);
  return true;
}

/** Texts may be a peer's. What was thrown is the application's own and stays as it is. */
function printableFacts(facts: LogFacts): LogFacts {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, typeof value === "string" ? printable(cut(value)) : value]),
  );
}

function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

const stderrLogger: Logger = {
  debug: () => {},
  info: () => {},
  // The console's own methods, as they do not mind a stderr that is closed.
  warn: (facts, message) => console.error(lineOf("warning", facts, message)),
  error: (facts, message) => console.error(lineOf("error", facts, message)),
};

/** One line, whatever is in the facts: `framewire error: a handler failed; method=… err="Error: boom"`. */
function lineOf(level: string, facts: object, message: string): string {
  const parts = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (name === "err" ? errorPart(value) : `${name}=${quoted(value)}`));
  return printable(`framewire ${level}: ${message}; ${parts.join(" ")}`);
}

/** What was thrown, where it was made, and its causes. */
function errorPart(error: unknown): string {
  const parts: string[] = [];
  let each = error;
  for (let depth = 0; depth < CAUSES && each !== undefined; depth++) {
    parts.push(`${depth === 0 ? "err" : "cause"}=${quoted(each)}`);
    const place = depth === 0 ? placeOf(each) : undefined;
    if (place !== undefined) parts.push(`at=${quoted(place)}`);
    each = property(each, "cause");
  }
  return parts.join(" ");
}

/** The first line of a stack that names a place. */
function placeOf(error: unknown): string | undefined {
  const stack = property(error, "stack");
  return typeof stack === "string" ? /^\s+at (.+)$/m.exec(stack)?.[1] : undefined;
}

function property(value: unknown, key: string): unknown {
  try {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
  } catch {
    return undefined;
  }
}

function quoted(value: unknown): string {
  try {
    const text = cut(String(value));
    return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text);
  } catch {
    return '"something that cannot be printed"';
  }
}
