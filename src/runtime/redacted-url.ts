/** Addresses in texts for people: a URL may carry a password or a token, and error texts end up in logs. */

/** Scheme, user info, host with port, and the rest. By itself: React Native's `URL` does not know its own host. */
const PARTS = /^\s*([a-z][a-z\d+.-]*:\/\/)([^/?#\\]*@)?((?:[^/?#\\@:[\]]+|\[[\da-f:.]+\])(?::\d*)?)(?=[/?#\\]|$)(.*)$/is;

/**
 * `url` without its secrets: user info, the values of its query and its fragment are `***`. In what is no URL with a host, all that stands before an
 * `@` is taken for user info.
 */
export function redactedUrl(url: string | URL): string {
  const [, scheme = "", userInfo, host = "", rest] = PARTS.exec(String(url)) ?? [];
  const after = rest ?? String(url).replace(/^.*@/s, "***@");
  const query = after.replace(/#.*/s, "#***").replace(/([?&;])([^=&;#?]*=)?[^&;#]*/g, (_, mark: string, name = "") => `${mark}${name}***`);
  return `${scheme}${userInfo === undefined ? "" : "***@"}${host}${query}`;
}
