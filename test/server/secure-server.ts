import { readFileSync } from "node:fs";
import { FramewireError } from "framewire";
import { createServer } from "framewire/server";

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

/** `proxied`: a proxy in front overwrites X-Forwarded-For. Without one, clients could write the header themselves. */
export function secureServer(folder: string, userOf: (token: string) => Promise<User | undefined>, proxied = false) {
  const server = createServer({
    minVersion: 2,
    allowedOrigins: ["https://app.example"],
    allowedHosts: ["api.example"],
    // The header may be absent; then the address is the socket's.
    clientAddress: ({ headers }) => (proxied ? headers["x-forwarded-for"]?.toString() : undefined),
    async authenticate({ credentials }) {
      const user = await userOf(new TextDecoder().decode(credentials));
      if (user === undefined) throw new FramewireError("unauthenticated", "sign in again");
      return { identity: user, subject: user.name };
    },
    // A session may move to another address or transport, but not to another user or device. A renewed certificate may have another subject.
    sameIdentity: (previous, current) =>
      previous.subject === current.subject && previous.transport.certificate?.spiffeId === current.transport.certificate?.spiffeId,
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
