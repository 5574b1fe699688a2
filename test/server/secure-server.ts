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

export function secureServer(folder: string, userOf: (token: string) => Promise<User | undefined>) {
  const server = createServer({
    minVersion: 2,
    allowedOrigins: ["https://app.example"],
    async authenticate({ credentials }) {
      const user = await userOf(new TextDecoder().decode(credentials));
      if (user === undefined) throw new FramewireError("unauthenticated", "sign in again");
      return { identity: user, subject: user.name };
    },
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
