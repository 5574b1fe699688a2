import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { PROFILE_NAMES } from "../../src/testing/index.js";
import { codeBlocks } from "../helpers/markdown.js";

const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");

it("the page's example is the one that runs", () => {
  const example = readFileSync(new URL("example.test.ts", import.meta.url), "utf8");
  expect(codeBlocks(page).get("example.test.ts")).toBe(example);
});

it("the page names every profile", () => {
  for (const name of PROFILE_NAMES) expect(page).toContain(`| \`${name}\` |`);
});
