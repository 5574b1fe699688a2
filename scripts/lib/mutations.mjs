/** One-line mutations of a TypeScript source: where they are, and the source with one of them made. */
import { parseSync } from "vite";

/**
 * A mutation: the bytes of the source from `start` to `end` become `text`.
 *
 * @typedef {{ readonly start: number, readonly end: number, readonly text: string, readonly line: number, readonly kind: string }} Mutation
 */

/**
 * A node of the syntax tree.
 *
 * @typedef {{ readonly type: string, readonly start: number, readonly end: number } & Readonly<Record<string, unknown>>} Node
 */

/** Operators, and what each becomes. A comparison moves by one at its boundary; an equality is negated. */
const BINARY = /** @type {Readonly<Record<string, readonly [text: string, kind: string]>>} */ ({
  "<": ["<=", "boundary"],
  "<=": ["<", "boundary"],
  ">": [">=", "boundary"],
  ">=": [">", "boundary"],
  "===": ["!==", "equality"],
  "!==": ["===", "equality"],
  "+": ["-", "arithmetic"],
  "-": ["+", "arithmetic"],
  "*": ["/", "arithmetic"],
  "/": ["*", "arithmetic"],
  "%": ["*", "arithmetic"],
  "<<": [">>", "bits"],
  ">>": ["<<", "bits"],
  ">>>": ["<<", "bits"],
  "&": ["|", "bits"],
  "|": ["&", "bits"],
  "^": ["&", "bits"],
  "&&": ["||", "logic"],
  "||": ["&&", "logic"],
  "+=": ["-=", "arithmetic"],
  "-=": ["+=", "arithmetic"],
  "|=": ["&=", "bits"],
  "^=": ["|=", "bits"],
  "++": ["--", "arithmetic"],
  "--": ["++", "arithmetic"],
});

const LEAVES = new Set(["ReturnStatement", "ThrowStatement", "ContinueStatement", "BreakStatement"]);

/**
 * All mutations of `source`, in the order of their places.
 *
 * @param {string} name The file's name; its end says that it is TypeScript.
 * @param {string} source
 * @returns {Mutation[]}
 */
export function mutationsOf(name, source) {
  const { program, errors } = parseSync(name, source);
  if (errors.length > 0) throw new Error(`${name} cannot be parsed: ${errors[0]?.message}`);
  /** @type {Mutation[]} */
  const found = [];
  const lines = lineStarts(source);
  /** @type {(start: number, end: number, text: string, kind: string) => void} */
  const add = (start, end, text, kind) => {
    found.push({ start, end, text, kind, line: lineOf(lines, start) });
  };
  walk(/** @type {Node} */ (/** @type {unknown} */ (program)), (node) => {
    if (node.type === "TSEnumDeclaration" || node.type.startsWith("TSType") || node.type.startsWith("TSInterface")) return false;
    mutate(node, source, add);
    return true;
  });
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

/**
 * @param {string} source
 * @param {Mutation} mutation
 */
export function mutated(source, { start, end, text }) {
  return source.slice(0, start) + text + source.slice(end);
}

/**
 * @param {Node} node
 * @param {string} source
 * @param {(start: number, end: number, text: string, kind: string) => void} add
 */
function mutate(node, source, add) {
  switch (node.type) {
    case "BinaryExpression":
    case "LogicalExpression":
    case "AssignmentExpression": {
      const left = /** @type {Node} */ (node.left);
      const right = /** @type {Node} */ (node.right);
      const operator = String(node.operator);
      const becomes = BINARY[operator];
      if (becomes !== undefined && !isText(left) && !isText(right)) {
        const at = source.indexOf(operator, left.end);
        add(at, at + operator.length, ...becomes);
      }
      return;
    }
    case "UpdateExpression": {
      const operator = String(node.operator);
      const at = node.prefix === true ? node.start : node.end - 2;
      const becomes = BINARY[operator];
      if (becomes !== undefined) add(at, at + 2, ...becomes);
      return;
    }
    case "Literal":
      if (typeof node.value === "boolean") add(node.start, node.end, String(!node.value), "boolean");
      else if (Number.isSafeInteger(node.value)) add(node.start, node.end, String(Number(node.value) + 1), "off by one");
      return;
    case "IfStatement":
    case "WhileStatement":
    case "ConditionalExpression": {
      const test = /** @type {Node} */ (node.test);
      // An equality is negated where it stands.
      if (test.operator !== "===" && test.operator !== "!==")
        add(test.start, test.end, `!(${source.slice(test.start, test.end)})`, "negated condition");
      if (node.type === "IfStatement" && node.alternate === null && LEAVES.has(/** @type {Node} */ (node.consequent).type))
        add(node.start, node.end, ";", "dropped guard");
      return;
    }
    case "ExpressionStatement": {
      const { type } = /** @type {Node} */ (node.expression);
      // A constructor must call its parent's, and no text is a statement that does anything.
      if (type !== "Literal" && !source.startsWith("super(", node.start)) add(node.start, node.end, ";", "dropped statement");
      return;
    }
  }
}

/**
 * Whether it is text, whose + puts together.
 *
 * @param {Node} node
 */
function isText({ type, value }) {
  return type === "TemplateLiteral" || (type === "Literal" && typeof value === "string");
}

/**
 * @param {Node} node
 * @param {(node: Node) => boolean} visit False: not what is within it.
 */
function walk(node, visit) {
  if (!visit(node)) return;
  for (const value of Object.values(node)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (typeof each === "object" && each !== null && typeof each.type === "string") walk(each, visit);
    }
  }
}

/**
 * The names that a source imports or exports from, as they are written.
 *
 * @param {string} name
 * @param {string} source
 * @returns {string[]}
 */
export function importsOf(name, source) {
  const { module } = parseSync(name, source);
  const dynamic = module.dynamicImports.map(({ moduleRequest }) => source.slice(moduleRequest.start + 1, moduleRequest.end - 1));
  const exported = module.staticExports.flatMap(({ entries }) => entries.flatMap((entry) => entry.moduleRequest?.value ?? []));
  return [...module.staticImports.map(({ moduleRequest }) => moduleRequest.value), ...exported, ...dynamic];
}

/** @param {string} source */
function lineStarts(source) {
  const starts = [0];
  for (let at = source.indexOf("\n"); at >= 0; at = source.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/**
 * @param {readonly number[]} starts
 * @param {number} at
 */
function lineOf(starts, at) {
  let line = 0;
  while (line < starts.length && /** @type {number} */ (starts[line]) <= at) line++;
  return line;
}
