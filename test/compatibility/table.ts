/** docs/compatibility.md, from what was measured. */
import { CASES } from "./cases.js";
import { COLUMNS } from "./columns.js";

/** What came of one case in one browser. */
export interface Outcome {
  readonly result: "works" | "fails" | "not driven here";
  /** Said beside the table; may differ from version to version. */
  readonly note?: string | undefined;
}

/** What was measured: versions by column, outcomes by column and feature. */
export interface Measured {
  readonly versions: ReadonlyMap<string, string>;
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, Outcome>>;
}

/** What stands below this line changes with the browsers' versions. The rest must be the same wherever it is measured. */
export const VERSIONS_FROM = "## Measured with";

export function compatibilityPage(measured: Measured): string {
  const outcome = (column: string, feature: string): Outcome => {
    const found = measured.outcomes.get(column)?.get(feature);
    if (found === undefined) throw new Error(`${column} was not measured: ${feature}`);
    return found;
  };
  const names = COLUMNS.map(({ name }) => name);
  const rows = CASES.map(({ feature }) => [feature, ...names.map((name) => outcome(name, feature).result)]);
  const reasons = COLUMNS.flatMap(({ name, lacks }) =>
    CASES.flatMap(({ feature, needs }) => (needs && lacks[needs] ? [`- **${feature}**, ${name}: ${lacks[needs]}.`] : [])),
  );
  const notes = CASES.flatMap(({ feature }) => {
    const said = names.flatMap((name) => {
      const { note } = outcome(name, feature);
      return note === undefined ? [] : [`${name}: ${note}`];
    });
    return said.length === 0 ? [] : [`- **${feature}** — ${said.join("; ")}.`];
  });
  return `# Browsers

What the client does in three engines, as measured. \`npm run compatibility\` measures and writes this page; \`npm run verify\` measures
again, and fails when a case fails or when the features or outcomes differ from this page. The versions may differ.

${table(["Feature", ...names], rows)}

One page with one client is put through all of it ([test/compatibility](../test/compatibility)). It is bundled from the built package, and
its link goes through a proxy that breaks it where a case asks for that.

## Not driven here

An engine whose automation cannot bring a case about has not been tested for it.

${reasons.join("\n")}

${VERSIONS_FROM}

${table(
  ["Browser", "Version", "How"],
  COLUMNS.map(({ name, what }) => [name, measured.versions.get(name) ?? "", what]),
)}

${notes.join("\n")}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
