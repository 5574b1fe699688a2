/** Reads code out of the project's own pages, so that tests run what the pages show. */

/**
 * The fenced code blocks of `markdown` that name a file behind their language (```` ```ts server.ts ````), by that name.
 */
export function codeBlocks(markdown: string): Map<string, string> {
  const blocks = new Map<string, string>();
  for (const [, name, code] of markdown.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)) {
    if (name !== undefined && code !== undefined) blocks.set(name, code);
  }
  return blocks;
}
