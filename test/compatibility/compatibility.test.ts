import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Browser, Tab } from "./browsers/browser.js";
import { CASES, Visit } from "./cases.js";
import { COLUMNS } from "./columns.js";
import { bundleScripts, type Scripts, Stand } from "./stand.js";
import { compatibilityPage, type Outcome, VERSIONS_FROM } from "./table.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = `${ROOT}docs/compatibility.md`;

const versions = new Map<string, string>();
const outcomes = new Map<string, Map<string, Outcome>>(COLUMNS.map(({ name }) => [name, new Map()]));
let scripts: Scripts;

beforeAll(async () => {
  scripts = await bundleScripts();
});

describe.each(COLUMNS.map((column) => [column.name, column] as const))("%s", (name, { line, lacks, start }) => {
  const measured = outcomes.get(name)!;
  let browser: Browser | undefined;
  let tab: Tab;
  let stand: Stand | undefined;

  beforeAll(async () => {
    browser = await start();
    versions.set(name, browser.version);
    tab = await browser.openTab();
  });

  afterAll(() => browser?.close());

  beforeEach(async () => {
    stand = await Stand.open(scripts, line);
  });

  afterEach(async () => {
    // Another page, so that the client of this one is gone before its server is.
    await tab?.navigate("about:blank");
    await stand?.close();
    stand = undefined;
  });

  for (const { feature, needs, run } of CASES) {
    if (needs !== undefined && lacks[needs] !== undefined) {
      measured.set(feature, { result: "not driven here" });
      continue;
    }
    test(feature, async () => {
      measured.set(feature, { result: "fails" });
      const visit = new Visit(tab, stand!);
      await visit.load();
      const note = await run(visit);
      measured.set(feature, { result: "works", note });
    });
  }

  test("automation can do all that the cases need, but for what the table says", () => {
    const needs = new Set(CASES.flatMap((one) => one.needs ?? []));
    for (const need of needs) expect(tab[need] === undefined).toBe(lacks[need] !== undefined);
  });
});

test("docs/compatibility.md says what was measured", () => {
  const page = compatibilityPage({ versions, outcomes });
  mkdirSync(`${ROOT}.cache`, { recursive: true });
  writeFileSync(`${ROOT}.cache/compatibility.md`, page);
  if (process.env.COMPATIBILITY === "write") writeFileSync(PAGE, page);
  // Another version of a browser is no reason to fail, nor is what it does in a way of its own.
  const withoutVersions = (text: string) => text.split(VERSIONS_FROM)[0];
  expect(withoutVersions(readFileSync(PAGE, "utf8")), "npm run compatibility writes the page anew").toBe(withoutVersions(page));
});
