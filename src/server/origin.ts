/** Which web pages may connect. Exact comparison only: a suffix match lets `evil-example.com` in for `example.com`. */
export function originAllowed(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[] | "any" | undefined,
): boolean {
  // Only browsers send an Origin; whatever else connects is no page that a user was lured to.
  if (origin === undefined || allowed === "any") return true;
  if (allowed !== undefined) return allowed.includes(origin);
  try {
    return host !== undefined && new URL(origin).host === host;
  } catch {
    return false;
  }
}
