import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserFolder } from "./packed.js";

const MAX_PACKAGES = 8;
const MAX_BYTES = 10_000_000;

const folder = new UserFolder();
const inPackage = (name: string) => join(folder.path, "node_modules/framewire", name);
const installed: string[] = [];

function bytesUnder(path: string): number {
  const info = lstatSync(path);
  return info.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0) : info.size;
}

beforeAll(async () => {
  await folder.pack();
  await folder.run("npm", "install", folder.tarball);
  const lock = JSON.parse(readFileSync(join(folder.path, "node_modules/.package-lock.json"), "utf8")) as { packages: object };
  installed.push(...Object.keys(lock.packages));
});

afterAll(() => folder.remove());

test("the install adds at most 8 packages and 10 MB", () => {
  const bytes = bytesUnder(join(folder.path, "node_modules"));
  console.log(`npm install framewire: ${installed.length} packages, ${(bytes / 1e6).toFixed(1)} MB (${installed.join(", ")})`);
  expect(installed).toContain("node_modules/framewire");
  expect(installed.length).toBeLessThanOrEqual(MAX_PACKAGES);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});

test("without the generator's packages, framewire generate names them and the command that installs them", async () => {
  await expect(folder.run("npx", "framewire", "generate")).rejects.toThrow("npm install --save-dev @bufbuild/buf ts-proto");
});

test("the package holds what it promises and nothing of the workshop", () => {
  const names = readdirSync(inPackage("")).sort();
  expect(names).toEqual([
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "deploy",
    "dist",
    "docs",
    "package.json",
    "proto",
    "src",
    "test",
  ]);
});

test("a CommonJS module loads it with require, and with import()", async () => {
  const script =
    'console.log(typeof require("framewire/server").createServer); import("framewire/codec").then((m) => console.log(typeof m.FrameDecoder))';
  expect(await folder.run(process.execPath, "--no-warnings", "--input-type=commonjs", "-e", script)).toBe("function\nfunction\n");
});
