/** Numbers on the command line. */
import { InvalidArgumentError } from "commander";

/**
 * Reads a whole number, decimal or with `0x`. Its range is the business of the option it is for.
 * @throws InvalidArgumentError, which commander reports beside the option's name.
 */
export function wholeNumber(text: string): number {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) throw new InvalidArgumentError("It must be a whole number, decimal or with 0x.");
  return Number(text);
}
