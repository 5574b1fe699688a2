/** Reads the examples and tables out of docs/wire.md. */
import { readFileSync } from "node:fs";
import type { Vector } from "../vectors/case.js";

const PAGE = readFileSync(new URL("../../docs/wire.md", import.meta.url), "utf8");

/** Every hex block of the page with the JSON block behind it, as vectors named by their line. */
export function pageVectors(): Vector[] {
  const blocks = [...PAGE.matchAll(/```hex(?: seed=(0x[0-9A-F]+))?\n([\s\S]*?)```\s*```json\n([\s\S]*?)```/g)];
  return blocks.map((block) => {
    const line = PAGE.slice(0, block.index).split("\n").length;
    const expected = JSON.parse(block[3]!) as Partial<Vector>;
    return {
      name: `docs/wire.md line ${line}`,
      ...(block[1] === undefined ? {} : { options: { checksumSeed: Number(block[1]) } }),
      stream: block[2]!.split("\n"),
      frames: expected.frames ?? [],
      discards: expected.discards ?? [],
    };
  });
}

/** How many hex blocks the page has, with or without an expectation. */
export function pageHexBlocks(): number {
  return PAGE.split("```hex").length - 1;
}

/** The rows of every table of the page whose first cell is a number, as cells without backquotes. */
export function pageNumberRows(): string[][] {
  return [...PAGE.matchAll(/^\| *(\d+) .*\|$/gm)].map((row) =>
    row[0]
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.replaceAll("`", "").trim()),
  );
}

/** The declarations in the proto blocks of the page, spelt as {@link protoDeclarations} does. */
export function pageDeclarations(): string[] {
  return [...PAGE.matchAll(/```proto\n([\s\S]*?)```/g)].flatMap((block) => declarationsIn(block[1]!));
}

/** The messages, enums and extensions of `proto/framewire/v1/<name>`, without remarks and on one line each. */
export function protoDeclarations(name: string): string[] {
  return declarationsIn(readFileSync(new URL(`../../proto/framewire/v1/${name}`, import.meta.url), "utf8"));
}

function declarationsIn(proto: string): string[] {
  const bare = proto.replace(/\/\/.*/g, "").replace(/\s+/g, " ");
  return bare.match(/(?:message|enum|extend) [\w.]+ \{[^}]*\}/g) ?? [];
}
