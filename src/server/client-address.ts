/** Addresses as proxies write them, in the form in which sockets have them. */
import { isIP } from "node:net";

/**
 * The address in what the `clientAddress` hook returned, which may be a whole `X-Forwarded-For` header: of several entries the last, which the nearest
 * proxy wrote, without its port and brackets, IPv6 in its short form and `::ffff:1.2.3.4` as IPv4. Text that is no address stays as it is: an
 * application may tell its clients apart by other names. `undefined` if there is none.
 */
export function clientAddressOf(text: string): string | undefined {
  const entry = text.slice(text.lastIndexOf(",") + 1).trim();
  if (entry === "") return undefined;
  // With a port: 192.0.2.1:5678, [2001:db8::1]:5678.
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
  if (isIP(bare) === 0) return entry;
  return isIP(bare) === 4 ? bare : shortIpv6(bare);
}

/** The form of RFC 5952, of mapped addresses that of IPv4. */
function shortIpv6(address: string): string {
  const [withoutZone = ""] = address.split("%");
  const short = new URL(`http://[${withoutZone}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]).join(".");
}
