/** Text of a peer or a file, made safe to print. */

/**
 * What a terminal or a log viewer obeys or hides instead of showing it: control characters (C0, DEL, C1), marks that turn the direction of
 * writing, zero-width and other invisible characters, line and paragraph separators, lone surrogates. The two variation selectors that choose between
 * text and emoji are left alone.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?![\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}/gu;

/**
 * `text` with every character that a terminal would obey or hide written as `\uXXXX`, one for each UTF-16 unit. For logs: names, reasons and
 * messages of a peer may hold escape sequences. Applied to JSON it gives the same JSON, as such characters are only within its strings.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    let escaped = "";
    for (let i = 0; i < character.length; i++) escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    return escaped;
  });
}
