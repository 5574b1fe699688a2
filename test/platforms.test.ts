/** What makes the project run on other systems than the one it was written on, as far as text shows it. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { exclusionsOf } from "./runtimes/exclusions.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, "utf8");
const manifest = JSON.parse(read("package.json")) as { engines: { node: string }; scripts: Record<string, string> };
const workflow = read(".github/workflows/ci.yml");

/** The values of a list in brackets, or of a single scalar. */
function valuesOf(key: string): string[] {
  return [...workflow.matchAll(new RegExp(`^ *(?:- )?${key}: (.+)$`, "gm"))]
    .flatMap((match) => match[1]!.replace(/^\[(.*)\]$/, "$1").split(", "))
    .map((value) => value.replaceAll('"', ""))
    .filter((value) => !value.startsWith("$"));
}

/** Each assumption that holds on POSIX only, and the way that holds everywhere. */
const ASSUMPTIONS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["the path of a file URL is fileURLToPath(url)", /import\.meta\.url\)\.pathname/],
  ["a file URL is pathToFileURL(path)", /`file:\/\/\$\{|"file:\/\/" *\+/],
  ["a folder for temporary files is os.tmpdir()", /["'`]\/tmp\b/],
  ["a program of a package is its script: scriptOf, toolCommand", /(?:exec|spawn|fork)\w*\(\s*["'`](?:\.\/)?node_modules\/\.bin\//],
  ["a list of folders in PATH is joined with path.delimiter", /:\$\{process\.env\.PATH\b|process\.env\.PATH[^}\n]*\}:/],
];

/** Suites that run on Linux only, as they need programs of Debian. */
const LINUX_ONLY = /^test\/(?:integration|interop|package|browser|compatibility|react-native)\/|^test\/platforms\.test\.ts$/;

describe("a source file makes no assumption that holds on POSIX only:", () => {
  const files = ["src", "scripts", "examples", "bench", "test"].flatMap((folder) =>
    readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
      .filter((name) => /\.m?[jt]s$/.test(name) && !/\/(?:gen|dist|node_modules)\//.test(name) && !LINUX_ONLY.test(name)),
  );
  const texts = files.map((name) => ({ name, text: read(name) }));

  it.each(ASSUMPTIONS)("%s", (_what, pattern) => {
    expect(texts.length).toBeGreaterThan(300);
    expect(texts.filter(({ text }) => pattern.test(text)).map(({ name }) => name)).toEqual([]);
  });
});

describe("the workflow of GitHub", () => {
  it("covers Linux, macOS, Windows and ARM", () => {
    const systems = valuesOf("system").map((name) => name.replace(/-\d[\d.]*/, ""));
    expect(systems.sort()).toEqual(["macos", "ubuntu", "ubuntu-arm", "windows"]);
  });

  it("begins with the Node that package.json asks for, and has those of docs/runtimes.md", () => {
    const versions = valuesOf("node");
    expect(manifest.engines.node).toBe(`>=${versions[0]}`);
    const documented = /\| Node ([\d., ]+) \|/.exec(read("docs/runtimes.md"))?.[1]?.split(", ") ?? [];
    expect(documented.length).toBeGreaterThan(1);
    expect(versions).toEqual(expect.arrayContaining(documented));
    expect(versions.slice(1)).toEqual(["22", "24", "26"]);
    expect(valuesOf("node-version")).toEqual([versions[0]]);
    expect(read("README.md")).toContain(`**Node ${versions[0]} or later**`);
  });

  it("runs scripts that package.json has, and all of verify on Linux", () => {
    const called = [...workflow.matchAll(/^ *- run: npm (?:run )?(\S+)$/gm)].map((match) => match[1]!);
    expect(called.filter((name) => name !== "ci" && manifest.scripts[name] === undefined)).toEqual([]);
    expect(called).toEqual(["ci", "verify", "ci", "types", "build", "test"]);
    expect(valuesOf("runs-on")).toEqual([expect.stringMatching(/^ubuntu-/)]);
  });

  it("may only read, and names each action by its full version", () => {
    expect(workflow.match(/^permissions:\n {2}contents: read\n\n/m)).not.toBeNull();
    expect(workflow.match(/permissions:|: write\b/g)).toEqual(["permissions:"]);
    const actions = valuesOf("uses");
    expect(actions).toHaveLength(4);
    for (const action of actions) expect(action).toMatch(/^actions\/[a-z-]+@v\d+\.\d+\.\d+$/);
  });
});

it.each(["bun", "deno"] as const)("docs/runtimes.md has the reason for each unit test that does not run on %s", (runtime) => {
  const page = read("docs/runtimes.md");
  for (const { file, tests, why } of exclusionsOf(runtime)) {
    expect(tests.length).toBeGreaterThan(0);
    expect(page).toContain(`| ${runtime === "bun" ? "Bun" : "Deno"} | \`${file.replace(/^test\//, "")}\` | ${why} |`);
  }
});
