import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Folders whose files are not the project's own text. */
const FOREIGN = new Set(["node_modules", "dist", "gen"]);

/** Files below `folder`, as paths from the project's folder. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || FOREIGN.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path);
    return entry.isFile() ? [path] : [];
  });
}

const files = filesIn(".");
const pages = files.filter((path) => path.endsWith(".md"));
const sources = files.filter((path) => /\.(ts|mjs|md)$/.test(path) && !path.startsWith("test/interop/"));

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
}

interface Target {
  /** From the project's folder; the page itself for a link within it. */
  readonly path: string;
  readonly anchor: string;
}

/** What a page links to in the project. Links in inline code are examples. */
function targetsOf(page: string): Target[] {
  const text = textOf(page).replaceAll(/`[^`\n]*`(\]?)/g, "$1");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#", 2);
      return { path: path === "" ? page : join(dirname(page), path), anchor };
    });
}

/** The anchors that GitHub gives to the headings of a page: lower case, no punctuation, `-` for spaces, a number for the second of a name. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of textOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = text
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  for (const [, id = ""] of textOf(page).matchAll(/<\w+ (?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}

test("the pages of the project and of its folders are among those whose links are checked", () => {
  expect(pages).toEqual(
    expect.arrayContaining(["README.md", "ARCHITECTURE.md", "docs/wire.md", "docs/decisions/README.md", "bench/README.md"]),
  );
});

test.each(pages)("every link of %s leads to a file, and to a heading in it", (page) => {
  const broken = targetsOf(page).filter(({ path, anchor }) => {
    if (!existsSync(join(ROOT, path))) return true;
    if (anchor === "") return false;
    return statSync(join(ROOT, path)).isDirectory() || (path.endsWith(".md") && !anchorsOf(path).has(anchor));
  });
  expect(broken).toEqual([]);
});

test.each(pages)("every source that %s names by its path is there", (page) => {
  const paths = [...textOf(page).matchAll(/(?<![\w/.-])(?:src|test|scripts|bench|examples)\/[\w./-]+\.(?:ts|mjs|json|proto)\b/g)].map(
    ([path]) => path,
  );
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("every page that a source names by its path in docs/ is there", () => {
  const missing = sources.flatMap((source) =>
    [...readFileSync(join(ROOT, source), "utf8").matchAll(/(?<![\w/.])docs\/[\w/-]+\.md\b/g)]
      .filter(([page]) => !existsSync(join(ROOT, page)))
      .map(([page]) => `${source}: ${page}`),
  );
  expect(missing).toEqual([]);
});

test("every link of the packed README leads to a file in the package", () => {
  const { files: listed } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
  // npm adds these by itself.
  const packed = [...listed, "README.md", "LICENSE", "package.json"];
  const missing = targetsOf("README.md").filter(({ path }) => !packed.some((part) => path === part || path.startsWith(`${part}/`)));
  expect(missing).toEqual([]);
});
