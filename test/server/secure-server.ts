import { readFileSync } from "node:fs";
import { FramewireError } from "framewire";
import { createServer, type TransportInfo } from "framewire/server";

export interface User {
  readonly name: string;
  /** Numbers of the commands that this user may call. */
  readonly commands: readonly number[];
}

/** What the files hold now: key, certificate, and the authority that signs the clients' certificates. */
const tls = (folder: string) => ({
  key: readFileSync(`${folder}/server.key`),
  cert: readFileSync(`${folder}/server.pem`),
  ca: readFileSync(`${folder}/ca.pem`),
});

/** The address that the proxy wrote: the last one. What stands before it may be of the client's own making. */
const forwardedFor = (header: string | readonly string[] | undefined) => header?.toString().split(",").at(-1)?.trim() || undefined;

/** Whose certificate it is. A renewed one may have another subject; one without a SPIFFE ID counts by its subject. */
const deviceOf = ({ certificate }: TransportInfo) => certificate?.spiffeId ?? certificate?.subject;

/** `proxied`: a proxy in front writes X-Forwarded-For. Without one, clients could write the header themselves. */
export function secureServer(folder: string, userOf: (token: string) => Promise<User | undefined>, proxied = false) {
  const server = createServer({
    minVersion: 2,
    allowedOrigins: ["https://app.example"],
    allowedHosts: ["api.example"],
    // The header may be absent; then the address is the socket's.
    clientAddress: ({ headers }) => (proxied ? forwardedFor(headers["x-forwarded-for"]) : undefined),
    async authenticate({ credentials }) {
      const user = await userOf(new TextDecoder().decode(credentials));
      if (user === undefined) throw new FramewireError("unauthenticated", "sign in again");
      return { identity: user, subject: user.name };
    },
    // A session may move to another address or transport, but not to another user or device.
    sameIdentity: (previous, current) =>
      previous.subject === current.subject && deviceOf(previous.transport) === deviceOf(current.transport),
    authorize: ({ connection, command }) => (connection.identity as User).commands.includes(command.cmd),
  });
  return {
    server,
    listen: () =>
      server.listen({
        ws: { tls: tls(folder) }, // browsers
        tcp: { tls: { ...tls(folder), requestCert: true, rejectUnauthorized: true } }, // services, with certificates of their own
      }),
    /** Call it when the files have changed. */
    reload: () => server.reloadTls({ ws: tls(folder), tcp: tls(folder) }),
  };
}
