/** Generated code in a linked package that has a copy of @bufbuild/protobuf of its own, as pnpm and `npm link` leave it. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT, UserFolder } from "./packed.js";

const folder = new UserFolder();
const at = (name: string) => join(folder.path, name);

const CALLS = `
import { createClient } from "framewire/client";
import { createServer } from "framewire/server";
import { TestServiceDefinition } from "schema";
const server = createServer();
server.implement(TestServiceDefinition, { echo: ({ text }) => ({ text }) });
const { tcp } = await server.listen({ tcp: {} });
const client = createClient(tcp.url);
await client.connect();
for (const text of ["one", "two"]) console.log((await client.service(TestServiceDefinition).echo({ text })).text);
await client.close();
await server.close();
`;

beforeAll(async () => {
  await folder.pack();
  mkdirSync(at("schema"));
  writeFileSync(at("package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  writeFileSync(
    at("schema/package.json"),
    JSON.stringify({ name: "schema", version: "1.0.0", type: "module", exports: "./test_service.js" }),
  );
  cpSync(join(ROOT, "test/gen/test/v1/test_service.ts"), at("schema/test_service.ts"));
  writeFileSync(at("calls.js"), CALLS);
  await folder.run("npm", "install", folder.tarball, "./schema");
  const copy = at("schema/node_modules/@bufbuild/protobuf");
  cpSync(at("node_modules/@bufbuild/protobuf"), copy, { recursive: true });
  const options = ["--noCheck", "--module", "nodenext", "--target", "es2022", "--rootDir", "schema", "--outDir", "schema"];
  await folder.run(process.execPath, join(ROOT, "node_modules/typescript/bin/tsc"), ...options, "schema/test_service.ts");
});

afterAll(() => folder.remove());

function call() {
  const { stdout, stderr } = spawnSync(process.execPath, ["calls.js"], { cwd: folder.path, encoding: "utf8" });
  return { stdout, warnings: stderr.split("\n").filter((line) => line !== "") };
}

test("a second copy is reported once, at the first message, with what to do; calls work", () => {
  const { stdout, warnings } = call();
  expect(stdout).toBe("one\ntwo\n");
  expect(warnings).toEqual([
    expect.stringMatching(/another copy of @bufbuild\/protobuf[\s\S]*npm ls @bufbuild\/protobuf[\s\S]*npm dedupe/),
  ]);
});

test("with one copy nothing is reported", () => {
  rmSync(at("schema/node_modules"), { recursive: true });
  expect(call()).toEqual({ stdout: "one\ntwo\n", warnings: [] });
});

test("@bufbuild/protobuf is a peer dependency, so that package managers install the copy of the application", () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(at("node_modules/framewire/package.json"), "utf8"),
  );
  expect(dependencies).not.toHaveProperty("@bufbuild/protobuf");
  expect(peerDependencies["@bufbuild/protobuf"]).toMatch(/^\^2\./);
  expect(peerDependenciesMeta).not.toHaveProperty("@bufbuild/protobuf");
});
