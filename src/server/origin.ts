/** Which web pages may connect. */
import { FramewireError } from "../errors.js";

/** Origins whose pages may connect, `"any"` for all. */
export type AllowedOrigins = readonly string[] | "any";

/** Exact comparison only: a suffix match lets `evil-example.com` in for `example.com`. */
export function originAllowed(origin: string | undefined, host: string | undefined, allowed: AllowedOrigins | undefined): boolean {
  // Only browsers send an Origin; whatever else connects is no page that a user was lured to.
  if (origin === undefined || allowed === "any") return true;
  if (allowed !== undefined) return allowed.includes(origin);
  try {
    return host !== undefined && new URL(origin).host === host;
  } catch {
    return false;
  }
}

/** An entry that no browser can ever send would keep everybody out. @throws FramewireError `invalid-option` */
export function checkOrigins(allowed: AllowedOrigins | undefined): void {
  if (allowed === undefined || allowed === "any") return;
  for (const origin of allowed) {
    if (origin === "null" || /^[a-z][a-z0-9+.-]*:\/\/[^/*?#\s]+$/.test(origin)) continue;
    throw new FramewireError(
      "invalid-option",
      `allowedOrigins has ${JSON.stringify(origin)}; an origin is a scheme, a host and perhaps a port, such as https://app.example`,
    );
  }
}
