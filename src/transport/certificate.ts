/** Who is on the other end of TLS, for `authenticate` and `authorize`. */
import type { PeerCertificate as NodeCertificate } from "node:tls";
import type { PeerCertificate } from "../link/transport.js";

/** Facts of a certificate that was verified; `undefined` if the peer showed none. */
export function describeCertificate(certificate: NodeCertificate): PeerCertificate | undefined {
  if (certificate?.subject === undefined) return undefined;
  const subject = Object.entries(certificate.subject)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => `${name}=${escaped(String(one))}`))
    .join(",");
  const subjectAltName = certificate.subjectaltname ?? "";
  return { subject, subjectAltName, spiffeId: spiffeIdOf(subjectAltName) };
}

/** As RFC 4514 writes names, so that no value can pass for a further attribute. */
function escaped(value: string): string {
  return value.replace(/[,+"\\<>;=]/g, "\\$&").replace(/^[ #]| $/g, "\\$&");
}

/**
 * The one `spiffe://` URI. An SVID has exactly one URI, https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md
 * section 2; with more of them nobody knows who it is.
 */
function spiffeIdOf(subjectAltName: string): string | undefined {
  const uris = alternativeNames(subjectAltName).filter(({ type }) => type === "URI");
  const id = uris.length === 1 ? uris[0]?.value : undefined;
  return id?.startsWith("spiffe://") === true ? id : undefined;
}

const NAME = /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^,"]*))(?:, |$)/y;

/**
 * Splits what Node prints. It puts a value with a comma or a quote in it between quotes, as JSON: a name cannot make
 * itself look like two (CVE-2021-44532). What cannot be split names nobody.
 */
function alternativeNames(text: string): { readonly type: string; readonly value: string }[] {
  const names: { type: string; value: string }[] = [];
  for (NAME.lastIndex = 0; NAME.lastIndex < text.length; ) {
    const [, type = "", quoted, plain = ""] = NAME.exec(text) ?? [];
    if (type === "") return [];
    names.push({ type, value: quoted === undefined ? plain : String(JSON.parse(quoted)) });
  }
  return names;
}
