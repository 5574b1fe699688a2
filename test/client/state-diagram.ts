/** A Mermaid diagram of a table of states. */

/** Draws `{ state: { event: next } }`; it starts at `first`. Events with the same outcome share an arrow. */
export function stateDiagram(table: Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>, first: string): string {
  const id = (state: string) => state.replaceAll("-", "_");
  const lines = ["stateDiagram-v2"];
  for (const state of Object.keys(table)) lines.push(`    state "${state}" as ${id(state)}`);
  lines.push(`    [*] --> ${id(first)}`);
  for (const [from, row] of Object.entries(table)) {
    const arrows = new Map<string, string[]>();
    for (const [event, to] of Object.entries(row)) arrows.set(to as string, [...(arrows.get(to as string) ?? []), event]);
    for (const [to, events] of arrows) lines.push(`    ${id(from)} --> ${id(to)}: ${events.join(", ")}`);
  }
  return lines.join("\n");
}
