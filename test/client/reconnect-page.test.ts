import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CLIENT_TRANSITIONS } from "../../src/client/reconnect.js";
import { stateDiagram } from "../helpers/state-diagram.js";

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
