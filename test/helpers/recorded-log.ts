/** A logger that keeps its lines. */
import type { Logger } from "../../src/client/index.js";

export interface Line {
  readonly level: keyof Logger;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export interface RecordedLog extends Logger {
  readonly lines: Line[];
  /** Texts of the lines of a level and above. */
  texts(least?: keyof Logger): string[];
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

export function recordedLog(): RecordedLog {
  const lines: Line[] = [];
  const at = (level: keyof Logger) => (facts: object, message: string) => void lines.push({ level, facts: { ...facts }, message });
  const texts = (least: keyof Logger = "debug") =>
    lines.filter(({ level }) => LEVELS.indexOf(level) >= LEVELS.indexOf(least)).map(({ message }) => message);
  return { lines, texts, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
