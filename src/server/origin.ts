/** Which web pages may connect: by the origin of the page, and by the host name that it connected to. */
import type { AddressInfo } from "node:net";
import { FramewireError } from "../errors.js";
import { cutText } from "../protocol/cut-text.js";

/** Origins whose pages may connect, `"any"` for all. */
export type AllowedOrigins = readonly string[] | "any";

/** Host names that pages may connect to, `"any"` for all. */
export type AllowedHosts = readonly string[] | "any";

/** The options of a server that are about pages. */
export interface PageOptions {
  /** Origins whose pages may connect, such as `https://app.example`; `"any"` for all. Default: the server's own. Checked before anything else. */
  readonly allowedOrigins?: AllowedOrigins;
  /**
   * Hosts that pages may connect to, as their `Host` header has it: `app.example` with any port, `app.example:8443` with that one; `"any"` for
   * all. It keeps out pages whose own name points to this server (DNS rebinding). Other clients than browsers are not asked. Default: on a
   * listener of a loopback address localhost, 127.0.0.1, [::1] and the hosts of `allowedOrigins`; on others all.
   */
  readonly allowedHosts?: AllowedHosts;
}

interface Host {
  /** In lower case. */
  readonly name: string;
  readonly port: string | undefined;
}

const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** Bytes of an origin or a host in the text of a refusal, which a close frame has 123 bytes for. */
const MAX_SHOWN = 64;

/** What a `Host` header has no port for. */
const DEFAULT_PORTS = ["80", "443"];

/** Decides over the upgrades of pages: those with an `Origin`, which only browsers send. */
export class PageRules {
  readonly #allowedOrigins: AllowedOrigins | undefined;
  readonly #hosts: readonly Host[] | undefined;
  readonly #loopbackHosts: readonly Host[] | undefined;

  /** @throws FramewireError `invalid-option` for entries that no browser ever sends */
  constructor({ allowedOrigins, allowedHosts }: PageOptions) {
    checkOrigins(allowedOrigins);
    this.#allowedOrigins = allowedOrigins;
    this.#hosts = allowedHosts === undefined || allowedHosts === "any" ? undefined : allowedHosts.map(checkedHost);
    if (allowedHosts !== undefined || allowedOrigins === "any") this.#loopbackHosts = this.#hosts;
    else this.#loopbackHosts = [...LOOPBACK_HOSTS, ...hostsOf(allowedOrigins ?? [])].map(hostOf).filter((host) => host !== undefined);
  }

  /** Why a page may not connect, if it may not. `loopback`: to a listener that only this machine reaches. */
  refusal(origin: string | undefined, host: string | undefined, loopback: boolean): FramewireError | undefined {
    if (origin === undefined) return undefined;
    if (!originAllowed(origin, host, this.#allowedOrigins)) {
      return refused(`the origin ${cutText(origin, MAX_SHOWN)} is not in the server's option allowedOrigins`);
    }
    const hosts = loopback ? this.#loopbackHosts : this.#hosts;
    if (hosts === undefined || hostAllowed(host, hosts)) return undefined;
    return refused(`the host ${cutText(host ?? '""', MAX_SHOWN)} is not in the server's option allowedHosts`);
  }
}

/** Exact comparison only: a suffix match lets `evil-example.com` in for `example.com`. */
export function originAllowed(origin: string | undefined, host: string | undefined, allowed: AllowedOrigins | undefined): boolean {
  // Only browsers send an Origin; whatever else connects is no page that a user was lured to.
  if (origin === undefined || allowed === "any") return true;
  if (allowed !== undefined) return allowed.includes(origin);
  if (host === undefined || hostOf(host) === undefined) return false;
  try {
    const page = new URL(origin);
    // As part of a URL, the name gets its normal form and the scheme's own port is left out.
    return new URL(`${page.protocol}//${host}`).host === page.host;
  } catch {
    return false;
  }
}

/** Whether a listener can be reached from its own machine only. */
export function isLoopback(address: string | AddressInfo | null): boolean {
  if (address === null || typeof address === "string") return false;
  return address.address === "::1" || /^(::ffff:)?127\./i.test(address.address);
}

/** An entry without a port is for all ports. */
function hostAllowed(host: string | undefined, allowed: readonly Host[]): boolean {
  const asked = host === undefined ? undefined : hostOf(host);
  if (asked === undefined) return false;
  return allowed.some(({ name, port }) => {
    if (name !== asked.name) return false;
    return port === undefined || (asked.port === undefined ? DEFAULT_PORTS.includes(port) : port === asked.port);
  });
}

function hostOf(text: string): Host | undefined {
  const [, name, port] = /^(\[[\da-f:.]+\]|[^\s:/?#@[\]\\*]+)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  return name === undefined ? undefined : { name: name.toLowerCase(), port };
}

/** The host names of origins; `null` has none. */
function hostsOf(origins: readonly string[]): string[] {
  return origins.filter((origin) => URL.canParse(origin)).map((origin) => new URL(origin).hostname);
}

function refused(message: string): FramewireError {
  return new FramewireError("origin-refused", message, { fault: "remote" });
}

/** An entry that no browser can ever send would keep everybody out. @throws FramewireError `invalid-option` */
function checkOrigins(allowed: AllowedOrigins | undefined): void {
  if (allowed === undefined || allowed === "any") return;
  for (const origin of allowed) {
    if (origin === "null" || /^[a-z][a-z0-9+.-]*:\/\/[^/*?#\s]+$/.test(origin)) continue;
    throw new FramewireError(
      "invalid-option",
      `allowedOrigins has ${JSON.stringify(origin)}; an origin is a scheme, a host and perhaps a port, such as https://app.example`,
    );
  }
}

/** @throws FramewireError `invalid-option` */
function checkedHost(text: string): Host {
  const host = hostOf(text);
  if (host !== undefined && URL.canParse(`http://${text}`) && new URL(`http://${text}`).hostname === host.name) return host;
  throw new FramewireError(
    "invalid-option",
    `allowedHosts has ${JSON.stringify(text)}; a host is a name or an address and perhaps a port, such as app.example, [::1] or app.example:8443`,
  );
}
