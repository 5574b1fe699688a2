/** `npm run fuzz` and `npm run soak` as they are typed: what cannot be is refused with 2, where a run that did nothing would pass. */
import { spawnSync } from "node:child_process";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "../package/packed.js";

/** The compiled programs; the first run of each npm script has compiled them. */
const PROGRAMS = { fuzz: ".cache/fuzz/test/fuzz/main.js", soak: ".cache/soak/test/soak/index.js" } as const;

type Name = keyof typeof PROGRAMS;

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: "utf8" });
  return { status, stdout, stderr };
}

const typed = (name: Name, line: string) => run(process.execPath, PROGRAMS[name], ...line.split(" ").filter((word) => word !== ""));

const helps = new Map<Name, ReturnType<typeof run>>();

beforeAll(() => {
  for (const name of ["fuzz", "soak"] as const) helps.set(name, run("npm", "run", "--silent", name, "--", "--help"));
});

test.each<[Name, RegExp]>([
  [
    "fuzz",
    /--seconds <n> [\s\S]*--target <name> [\s\S]*"decoder", "session", "peers"[\s\S]*--seed <n> [\s\S]*--save [\s\S]*--replay <file> /,
  ],
  ["soak", /decoder [\s\S]*sessions [\s\S]*--runs 1000[\s\S]*fleet [\s\S]*--clients\s+5000/],
])("npm run %s -- --help shows every option, target or run with its default", (name, words) => {
  expect(helps.get(name)).toMatchObject({ status: 0, stdout: expect.stringMatching(words), stderr: "" });
});

test("each soak has a help of its own", () => {
  expect(typed("soak", "siege --help")).toMatchObject({ status: 0, stdout: expect.stringMatching(/"slowloris"[\s\S]*--seconds <n>/) });
});

test.each<[Name, string, RegExp]>([
  ["fuzz", "--sedonds 3", /unknown option '--sedonds'[\s\S]*--seconds/],
  ["fuzz", "--target decode", /Allowed choices are decoder, session, peers/],
  ["fuzz", "--seconds abc", /a number above 0/],
  ["fuzz", "--runs 0", /a whole number from 1/],
  ["fuzz", "--replay no/such/file", /no such file/],
  ["fuzz", "--target peers --replay package.json", /repeated with --seed/],
  ["fuzz", "decoder", /too many arguments/],
  ["soak", "session", /unknown command 'session'[\s\S]*sessions/],
  ["soak", "sessions --run 5", /unknown option '--run'/],
  ["soak", "sessions --frames 5", /unknown option '--frames'/],
  ["soak", "sessions --runs abc", /a whole number from 1/],
  ["soak", "sessions --runs 0", /a whole number from 1/],
  ["soak", "attacks slowlori", /'slowlori' is invalid/],
  ["soak", "bytes 5", /too many arguments/],
])("%s %s exits 2 and says why", (name, line, why) => {
  expect(typed(name, line)).toMatchObject({ status: 2, stdout: "", stderr: expect.stringMatching(why) });
});

test("what is asked for is run: that many sessions, from that seed on", () => {
  expect(typed("soak", "sessions --runs 2 --first 7")).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^2 sessions from seed 7 on/),
  });
});
