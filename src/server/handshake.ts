/** The server's side of a new link, from its socket to the welcome: authenticates the client, then resumes its session or opens a new one. */

import { FramewireError } from "../errors.js";
import type { Hello, ResumeRequest, Welcome } from "../gen/framewire/v1/session.js";
import type { Link, LinkEnd, LinkObserver } from "../link/link.js";
import type { ServedLink } from "../link/served-link.js";
import type { Transport } from "../link/transport.js";
import type { PeerDescription, ResolvedServerOptions } from "../options.js";
import type { FailureEvent } from "../runtime/guard.js";
import { pending } from "../runtime/guard.js";
import { agreedLimits, ownLimits, sendWelcome, versionOneAgreement, WIRE_VERSION } from "../session/handshake.js";
import {
  Acceptance,
  type AcceptTarget,
  type Arrival,
  isRefusal,
  type LinkSettings,
  tooManyHandshakes,
  type UpgradeRequest,
} from "./accept.js";
import { Admission } from "./admission.js";
import { type Authentication, checkAuthentication, ResumeRule } from "./authentication.js";
import { closing } from "./drain.js";
import { HandshakeQueue } from "./handshake-queue.js";
import type { ServerReports } from "./reports.js";
import { newSession, type Resumption, resume } from "./resume.js";
import type { AuthenticationRequest, ServerOptions } from "./server-options.js";
import type { ServerSession } from "./server-session.js";
import type { ServerSessions } from "./server-sessions.js";

/** Is notified of every link that has ended. */
export interface LinkEndObserver {
  linkEnded(link: ServedLink): void;
}

export class Handshakes implements AcceptTarget, LinkObserver {
  /** The handshakes that are not done, those of sockets that cannot carry frames yet included. */
  readonly queue: HandshakeQueue;
  readonly #options: ResolvedServerOptions & ServerOptions;
  readonly #links: LinkSettings;
  readonly #sessions: ServerSessions;
  readonly #reports: ServerReports;
  readonly #account: LinkEndObserver;
  readonly #admission: Admission;
  readonly #resumeRule: ResumeRule;

  constructor(
    options: ResolvedServerOptions & ServerOptions,
    links: LinkSettings,
    sessions: ServerSessions,
    reports: ServerReports,
    account: LinkEndObserver,
  ) {
    this.#options = options;
    this.#links = links;
    this.#sessions = sessions;
    this.#reports = reports;
    this.#account = account;
    this.queue = new HandshakeQueue(options.maxHandshakes);
    this.#admission = new Admission(options, links.clock);
    this.#resumeRule = new ResumeRule(options, () => reports.log.noSubject());
  }

  /** Sockets that are open. */
  get openSockets(): number {
    return this.#admission.open;
  }

  /** The links whose handshake is not done. */
  *links(): Generator<ServedLink> {
    for (const handshake of this.queue) if (handshake instanceof Acceptance) yield handshake.link;
  }

  /** Starts the handshake on a new socket, or refuses the socket. */
  accept(transport: Transport, arrival: Arrival): void {
    const { remoteAddress } = transport.info;
    this.#reports.accepted(transport.info);
    const full = this.#admission.enter(remoteAddress);
    const refusal = this.#sessions.closing ? closing() : (full ?? arrival.refusal);
    const acceptance = new Acceptance(transport, arrival, this, this.#admission.share(remoteAddress), this.#links);
    acceptance.link.observer = this;
    if (refusal !== undefined) acceptance.start(refusal);
    else acceptance.start(this.queue.add(acceptance) ? undefined : tooManyHandshakes());
  }

  /** Refuses the handshakes that are not done. Sockets that cannot carry frames yet are closed by their listener. */
  refuseAll(): void {
    for (const handshake of this.queue) if (handshake instanceof Acceptance) handshake.refuse(closing());
  }

  // AcceptTarget

  acceptV1(link: Link, upgrade: UpgradeRequest | undefined): void | Promise<void> {
    if (this.#options.minVersion === 2) throw new FramewireError("version-unsupported", "this server speaks version 2 only");
    this.#reports.log.handshake(link.info, 1, false);
    const request: AuthenticationRequest = { credentials: new Uint8Array(0), peer: {}, transport: link.info, version: 1, upgrade };
    return this.#authenticated(request, (authentication) => {
      // The link may have ended while the hook was deciding.
      if (!link.open) return;
      const session = this.#sessions.open(link, {}, authentication);
      this.#reports.log.welcome(session.handle, 1);
      this.#sessions.attach(session, link, versionOneAgreement(this.#options));
    });
  }

  acceptHello(link: Link, hello: Hello, upgrade: UpgradeRequest | undefined): void | Promise<void> {
    this.#reports.log.handshake(link.info, 2, hello.resume !== undefined);
    const peer: PeerDescription = hello.peer ?? {};
    const request: AuthenticationRequest = { credentials: hello.credentials, peer, transport: link.info, version: 2, upgrade };
    return this.#authenticated(request, (authentication) => {
      const found = hello.resume && this.#sessions.find(hello.resume.token);
      const welcome = (session: ServerSession | undefined) => {
        if (!link.open) return;
        const resumed =
          session !== undefined && this.#mayResume(session, authentication, link) && this.#resume(session, link, hello, authentication);
        if (!resumed) this.#begin(link, hello, peer, authentication);
      };
      const finding = pending(found);
      return finding === undefined
        ? welcome(found as ServerSession | undefined)
        : finding.then((session) => welcome(session as ServerSession | undefined));
    });
  }

  failed(failure: FailureEvent): void {
    this.#reports.failure(failure);
  }

  settled(acceptance: Acceptance): void {
    this.queue.remove(acceptance);
  }

  refused(acceptance: Acceptance, end: LinkEnd): void {
    this.queue.remove(acceptance);
    this.#reports.refused(end, acceptance.link.info);
  }

  // LinkObserver

  linkEnded(link: Link, { error }: LinkEnd): void {
    const { remoteAddress } = link.info;
    this.#admission.leave(remoteAddress);
    this.#account.linkEnded(link as ServedLink);
    if (error instanceof FramewireError) this.#reports.limit(error.code, error.message, remoteAddress, this.#sessions.handleOf(link.owner));
  }

  #authenticated(request: AuthenticationRequest, then: (authentication: Authentication) => void | Promise<void>): void | Promise<void> {
    const { authenticate } = this.#options;
    if (authenticate === undefined) return then({});
    const check = (result: unknown) => {
      try {
        return checkAuthentication(result);
      } catch (error) {
        throw this.#hookFailed("authenticate", error);
      }
    };
    let result: unknown;
    try {
      result = authenticate(request);
    } catch (error) {
      throw this.#hookFailed("authenticate", error);
    }
    const deciding = pending(result);
    if (deciding === undefined) return then(check(result));
    return deciding.then(
      (decided) => this.#links.throttle.run(() => then(check(decided))),
      (error) => {
        throw this.#hookFailed("authenticate", error);
      },
    );
  }

  #mayResume(session: ServerSession, authentication: Authentication, link: Link): boolean {
    try {
      return this.#resumeRule.allows(session.owner, { ...authentication, transport: link.info });
    } catch (error) {
      throw this.#hookFailed("sameIdentity", error);
    }
  }

  /** Returns what a hook has thrown. A refusal is the hook's decision; any other error is reported as its failure. */
  #hookFailed(hook: string, error: unknown): unknown {
    if (!isRefusal(error)) this.#reports.failure({ hook, error });
    return error;
  }

  /** Opens a new session. */
  #begin(link: Link, hello: Hello, peer: PeerDescription, authentication: Authentication): void {
    const session = this.#sessions.open(link, peer, authentication);
    const welcome = newSession(hello.resume !== undefined);
    sendWelcome(link, { ...this.#welcomeFor(session), ...welcome });
    this.#reports.log.welcome(session.handle, 2, welcome.verdict);
    this.#attach(session, link, hello);
  }

  /** Resumes a session, or closes a link that is not the newest of its client. False if the sequences that the client states are impossible. */
  #resume(session: ServerSession, link: Link, hello: Hello, { identity, subject }: Authentication): boolean {
    const request = hello.resume as ResumeRequest;
    const now = this.#links.clock.now();
    if (session.isLate(request.attempt, now)) {
      link.fail("session-replaced", "a later attempt of this client has the session");
      return true;
    }
    session.connection.sender.evictOversize(agreedLimits(hello.limits));
    session.connection.expireReplay();
    const resumption = resume(session.connection, request);
    if (resumption === undefined) return false;
    session.attempted(request.attempt, now);
    session.subject = subject;
    session.handle.identify(identity);
    sendWelcome(link, { ...this.#welcomeFor(session), ...resumption.welcome });
    this.#reports.log.welcome(session.handle, 2, resumption.welcome.verdict);
    this.#attach(session, link, hello, resumption.resumed);
    return true;
  }

  #attach(session: ServerSession, link: Link, hello: Hello, resumed?: Resumption["resumed"]): void {
    link.batching = hello.capabilities?.batching === true;
    this.#sessions.attach(session, link, {
      version: 2,
      ...agreedLimits(hello.limits),
      resumable: this.#options.resumeWindowMs > 0,
      ...(resumed === undefined ? {} : { resumed }),
    });
  }

  #welcomeFor(session: ServerSession): Omit<Welcome, keyof Resumption["welcome"]> {
    const { peer, resumeWindowMs, heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options;
    return {
      version: WIRE_VERSION,
      checksumSeed: session.seed,
      limits: ownLimits(this.#options),
      capabilities: { batching: true },
      peer: { name: peer?.name ?? "", version: peer?.version ?? "", platform: peer?.platform ?? "" },
      schemaFingerprint: "",
      token: resumeWindowMs > 0 ? session.token : new Uint8Array(0),
      resumeWindowMs,
      heartbeatIntervalMs,
      heartbeatTimeoutMs,
    };
  }
}
