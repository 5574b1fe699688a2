/** The oldest TypeScript and the oldest ts-proto that the README names, on its own Quick start and with the packed package. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codeBlocks } from "../helpers/markdown.js";
import { ROOT, UserFolder } from "./packed.js";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const [, strict = "", lenient = ""] = /TypeScript (\d+\.\d+) or later\*\*.* back to (\d+\.\d+) with `skipLibCheck`/.exec(readme) ?? [];
const [, tsProto = ""] = /ts-proto (\d+\.\d+\.\d+) or later/.exec(readme) ?? [];

/** Serves and calls by both transports, on ports that are free. */
const RUN = `
import { createClient } from "framewire/client";
import { createServer } from "framewire/server";
import { GreetServiceDefinition } from "./gen/greet/v1/greet.js";

const server = createServer();
server.implement(GreetServiceDefinition, { greet: ({ name }) => ({ text: \`Hello, \${name}\` }) });
const { tcp, ws } = await server.listen({ tcp: { port: 0 }, ws: { port: 0 } });
for (const url of [\`tcp://127.0.0.1:\${tcp!.port}\`, \`ws://127.0.0.1:\${ws!.port}\`]) {
  const client = createClient(url);
  await client.connect();
  const { text }: { readonly text: string } = await client.service(GreetServiceDefinition).greet({ name: "Ada" }, { timeoutMs: 5000 });
  console.log(text);
  await client.close();
}
await server.close();
`;

const folder = new UserFolder();
const tsc = (name: "strict" | "lenient", ...args: string[]) =>
  folder.run(process.execPath, `node_modules/${name}/bin/tsc`, "--pretty", "false", ...args);

beforeAll(async () => {
  await folder.pack();
  await folder.run("npm", "init", "-y");
  await folder.run("npm", "pkg", "set", "type=module");
  const compilers = [`strict@npm:typescript@~${strict}.0`, `lenient@npm:typescript@~${lenient}.0`];
  await folder.run("npm", "install", folder.tarball, ...compilers, `ts-proto@${tsProto}`, "@types/node");
  for (const [name, text] of codeBlocks(readme)) {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true });
    writeFileSync(join(folder.path, name), text);
  }
  writeFileSync(join(folder.path, "run.ts"), RUN);
  await folder.run(join(ROOT, "node_modules/.bin/buf"), "generate");
}, 240_000);

afterAll(() => folder.remove());

test("the oldest ts-proto of the README is that of package.json, and has generated the Quick start's messages", () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(`>=${tsProto}`).toBe(peerDependencies["ts-proto"]);
  const generated = readdirSync(join(folder.path, "gen"), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  expect(generated).toContain("greet/v1/greet.ts");
  expect(readFileSync(join(folder.path, "gen/greet/v1/greet.ts"), "utf8")).toContain(`protoc-gen-ts_proto  v${tsProto}`);
});

test("the oldest TypeScript takes them, and the declarations of the package, without skipLibCheck; the call is answered", async () => {
  expect(await tsc("strict", "--version")).toContain(`Version ${strict}.`);
  await tsc("strict", "--skipLibCheck", "false");
  expect(await folder.run(process.execPath, "dist/run.js")).toBe("Hello, Ada\nHello, Ada\n");
}, 240_000);

test("with skipLibCheck an older one does too", async () => {
  expect(await tsc("lenient", "--version")).toContain(`Version ${lenient}.`);
  await tsc("lenient", "--skipLibCheck", "--outDir", "older");
  expect(await folder.run(process.execPath, "older/run.js")).toBe("Hello, Ada\nHello, Ada\n");
  // Not so lenient that anything passes.
  writeFileSync(join(folder.path, "run.ts"), RUN.replace('name: "Ada"', "name: 5"));
  await expect(tsc("lenient", "--skipLibCheck", "--noEmit")).rejects.toThrow(/run\.ts.*Type 'number' is not assignable to type 'string'/);
}, 240_000);
