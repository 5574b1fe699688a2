import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CLIENT_TRANSITIONS } from "../../src/client/reconnect.js";
import { DEFAULTS } from "../../src/options.js";
import { stateDiagram } from "./state-diagram.js";

const page = readFileSync(new URL("../../docs/reconnect.md", import.meta.url), "utf8");

it("the diagram of docs/reconnect.md is drawn from the table of states", () => {
  const drawn = [...page.matchAll(/^```mermaid\n([\s\S]*?)\n```$/gm)].map(([, text]) => text);
  // After a change of the table: put what is expected here into the page.
  expect(drawn).toEqual([stateDiagram(CLIENT_TRANSITIONS, "disconnected")]);
});

it("the page explains every event of the table", () => {
  const events = new Set(Object.values(CLIENT_TRANSITIONS).flatMap((row) => Object.keys(row)));
  const explained = [...page.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, name]) => name);
  expect(explained).toEqual(expect.arrayContaining([...events]));
});

it("the page's defaults are those of the code", () => {
  const told = [...page.matchAll(/^\| `(\w+)` +\| ([^|]+?) +\|/gm)]
    .map(([, name, value]) => [name as string, value] as const)
    .filter(([name]) => name in DEFAULTS);
  expect(told.map(([name]) => name)).toEqual([
    "resumeWindowMs",
    "replayBytes",
    "replayFrames",
    "replayMs",
    "resumeWindowMs",
    "maxSessions",
    "maxSessionBytes",
  ]);
  for (const [name, value] of told) expect(`${name} ${value}`).toContain(`${name} ${inWords(name)}`);
  for (const name of ["maxQueuedFrames", "maxQueuedBytes", "maxQueuedMs"]) expect(page).toContain(`\`${name}\` (${inWords(name)})`);
});

/** A default as the page writes it. */
function inWords(name: string): string {
  const value = DEFAULTS[name as keyof typeof DEFAULTS] as number;
  if (value === Number.POSITIVE_INFINITY) return "none";
  if (name.endsWith("Ms")) return `${value / 1000} s`;
  if (name.endsWith("Bytes")) return value % 2 ** 20 === 0 ? `${value / 2 ** 20} MiB` : `${value / 1024} KiB`;
  return value.toLocaleString("en-US");
}
