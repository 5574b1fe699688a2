import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const FOLDER = fileURLToPath(new URL("../../docs/decisions", import.meta.url));
const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, "utf8");

const names = readdirSync(FOLDER).filter((name) => name !== "README.md");

/** Title, then date and status, each a line of its own. The status of a decision that does not hold any more names the page that replaces it. */
const HEAD =
  /^# (?<title>[^\n]+)\n\nDate: (?<date>\d{4}-\d\d-\d\d)\. Status: (?<status>accepted\.|superseded by (?<whole>\[[^\]]+\]\([^)\s]+\))\.|partly superseded by (?<part>\[[^\]]+\]\([^)\s]+\)): [^\n]+\.)\n\n/;

function headOf(name: string): { readonly title: string; readonly date: string; readonly status: string; readonly successor?: string } {
  const groups = HEAD.exec(read(name))?.groups;
  if (groups?.title === undefined || groups.date === undefined)
    throw new Error(`${name} does not begin with a title and a line of date and status`);
  const link = groups.whole ?? groups.part;
  const [, successor] = /\]\(([^)#]+)/.exec(link ?? "") ?? [];
  const word = /^(?:partly )?\w+/.exec(groups.status ?? "")?.[0] ?? "";
  return { title: groups.title, date: groups.date, status: word, ...(successor === undefined ? {} : { successor }) };
}

describe.each(names)("%s", (name) => {
  test("begins with its title, its date and its status", () => {
    expect(name).toMatch(/^[a-z0-9-]+\.md$/);
    const { date } = headOf(name);
    expect(new Date(date).toISOString().slice(0, 10)).toBe(date);
  });

  test("names a later decision where it is superseded, which links to it", () => {
    const { successor, date } = headOf(name);
    if (successor === undefined) return;
    expect(names.filter((other) => other !== name)).toContain(successor);
    expect(headOf(successor).date >= date).toBe(true);
    expect(read(successor)).toContain(`](${name})`);
  });
});

/** Every page has the first two; the others only where there is something to say. */
const SECTIONS = ["Decision", "Why", "Considered and not taken", "Consequences"];

test.each(names)("%s has its sections in order, and no others", (name) => {
  const text = read(name).replace(HEAD, "");
  expect(text.startsWith("## Decision\n\n")).toBe(true);
  const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, section]) => section);
  expect(sections.slice(0, 2)).toEqual(["Decision", "Why"]);
  expect(sections).toEqual(SECTIONS.filter((section) => sections.includes(section)));
});

/** The rows of the index: page, title, what was decided, date, status. */
const ROW = /^\| \[(?<title>[^\]]+)\]\((?<name>[^)]+)\) \| (?<decided>[^|\n]+) \| (?<date>[^|\n]+) \| (?<status>[^|\n]+) \|$/gm;
const rows = [...read("README.md").matchAll(ROW)].map(({ groups }) => groups ?? {});

test("the index has one row for each decision, with its title, date and status", () => {
  const listed = rows
    .map(({ name, title, date, status }) => ({ name, title, date, status }))
    .sort((a, b) => String(a.name).localeCompare(String(b.name)));
  const there = names
    .map((name) => ({ name, title: headOf(name).title, date: headOf(name).date, status: headOf(name).status }))
    .sort((a, b) => a.name.localeCompare(b.name));
  expect(listed).toEqual(there);
});

test("each row of the index says in one sentence what was decided", () => {
  expect(rows.filter(({ decided }) => !/^[^.]\S* .{10,}[^.]$/.test(decided ?? "")).map(({ name }) => name)).toEqual([]);
});
