import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const pages = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** The files that a page links to, as paths from the project's folder. */
function targetsOf(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => (target ?? "").replace(/#.*$/, ""))
    .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
    .map((target) => join(dirname(page), target));
}

test.each(pages)("every link of %s leads to a file that is there", (page) => {
  expect(targetsOf(page).filter((target) => !existsSync(join(ROOT, target)))).toEqual([]);
});

test("every link of the packed README leads to a file in the package", () => {
  const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
  // npm adds these by itself.
  const packed = [...files, "README.md", "LICENSE", "package.json"];
  const missing = targetsOf("README.md").filter((target) => !packed.some((path) => target === path || target.startsWith(`${path}/`)));
  expect(missing).toEqual([]);
});
