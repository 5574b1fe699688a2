/**
 * What calls do, said as simply as it can be: two peers, a link that is up or down, and on each side a line of things to tell the other
 * that moves while the link is up. Nothing here knows of frames, sequences, credit or timers.
 */

export type CallKind = "echo" | "sample" | "count" | "sum" | "chat";
export type Side = "client" | "server";
export type HandlerState = "none" | "running" | "aborted" | "ended";

/** What can be seen of a call from outside. */
export interface CallView {
  /** Absent = open. `ok`, `left`, or the code that the caller got. */
  outcome: string | undefined;
  handler: HandlerState;
  /** Items that the caller has read, and that the handler has. */
  read: number;
  handled: number;
  /** Whether the handler saw the end of the caller's stream. */
  complete: boolean;
}

export interface ModelCall extends CallView {
  readonly id: number;
  readonly kind: CallKind;
  readonly from: Side;
  readonly timeoutMs: number;
  /** When the caller gives up, and when the handler is told to; Infinity = never. */
  deadline: number;
  handlerDeadline: number;
  sent: boolean;
  /** The caller leaves its stream at the next item. */
  leaving: boolean;
  /** The caller's stream was ended by the caller. */
  sourceOver: boolean;
  /** Both sides had something to say when the link came back: how much of it the handler still heard is nobody's to say. */
  crossed: boolean;
  /** The handler was told how to end; it gets there behind the items it still has to send. */
  answered: string | undefined;
}

export interface ModelNote {
  /** Absent = it still waits. */
  outcome: string | undefined;
  handled: number;
}

type Word = { readonly call: ModelCall; readonly tell: "request" | "item" | "end" | "cancel" | "response" } | { readonly note: ModelNote };

export const streamsUp = (kind: CallKind) => kind === "sum" || kind === "chat";
export const streamsDown = (kind: CallKind) => kind === "count" || kind === "chat";

/** A server that drains stays this long at least: its last answers have to get through. */
const ANSWERS_MS = 200;

export class CallModel {
  now = 0;
  linked = true;
  /** Whether the server has a session of the client. */
  session = true;
  clientOpen = true;
  server: "open" | "draining" | "closed" = "open";
  readonly calls: ModelCall[] = [];
  readonly notes: ModelNote[] = [];
  #drainStart = 0;
  #drainEnd = 0;
  /** When a server that drains ends the streams that are still open. */
  #streamsEnd = 0;
  /** What each side has to tell the other. */
  readonly #lines: Record<Side, Word[]> = { client: [], server: [] };
  /** Calls that wait for the next link, as the server is about to go. */
  #held: Word[] = [];

  call(kind: CallKind, from: Side, timeoutMs: number, aborted: boolean): void {
    const call: ModelCall = {
      id: this.calls.length,
      kind,
      from,
      timeoutMs,
      deadline: timeoutMs > 0 ? this.now + timeoutMs : Number.POSITIVE_INFINITY,
      handlerDeadline: Number.POSITIVE_INFINITY,
      sent: false,
      leaving: false,
      sourceOver: false,
      answered: undefined,
      crossed: false,
      outcome: undefined,
      handler: "none",
      read: 0,
      handled: 0,
      complete: false,
    };
    this.calls.push(call);
    if (aborted) call.outcome = "cancelled";
    else if (from === "client" && !this.clientOpen) call.outcome = "connection-closed";
    else if (kind === "sample" && !this.linked) call.outcome = "unavailable";
    else this.#tell(from, { call, tell: "request" });
  }

  note(): void {
    const note: ModelNote = { outcome: this.clientOpen ? undefined : "connection-closed", handled: 0 };
    this.notes.push(note);
    if (this.clientOpen) this.#tell("client", { note });
  }

  abort(call: ModelCall): void {
    this.#giveUp(call, "cancelled");
  }

  leave(call: ModelCall): void {
    call.leaving = true;
  }

  item(call: ModelCall): void {
    this.#tell(call.from, { call, tell: "item" });
  }

  endSource(call: ModelCall): void {
    call.sourceOver = true;
    this.#tell(call.from, { call, tell: "end" });
  }

  emit(call: ModelCall): void {
    this.#tell(other(call.from), { call, tell: "item" });
  }

  answer(call: ModelCall, outcome: string): void {
    call.answered = outcome;
    call.handler = "ended";
    this.#tell(other(call.from), { call, tell: "response" });
    this.#drained();
  }

  cut(): void {
    this.#unlink();
    if (this.server === "draining") this.#serverGone();
  }

  /** The link is back. `fresh`: with a server that knows nothing of this client. */
  mend(): void {
    this.linked = true;
    if (!this.session) this.#startAfresh();
    this.session = true;
    const lines = [this.#lines.client, this.#lines.server];
    for (const call of this.calls) {
      if (lines.every((line) => line.some((word) => "call" in word && word.call === call))) call.crossed = true;
    }
    this.#flow();
  }

  closeClient(): void {
    this.clientOpen = false;
    this.#endSide("client");
    if (this.linked) {
      this.session = false;
      this.#endSide("server");
      this.linked = false;
      this.#drained();
    }
  }

  closeServer(drainMs: number): void {
    this.server = "draining";
    this.#drainStart = this.now;
    this.#drainEnd = this.now + drainMs;
    this.#streamsEnd = this.now + drainMs / 2;
    if (!this.linked || drainMs === 0) this.#serverGone();
  }

  restart(): void {
    this.server = "open";
  }

  /** Time goes on, from one thing that is due to the next. */
  advance(to: number): void {
    for (;;) {
      const due = Math.min(
        ...this.calls.flatMap((call) => [
          call.outcome === undefined ? call.deadline : Number.POSITIVE_INFINITY,
          call.handler === "running" ? call.handlerDeadline : Number.POSITIVE_INFINITY,
        ]),
        ...(this.server === "draining" ? [this.#lastAnswers, this.#streamsEnd, this.#drainEnd].filter((at) => at > this.now) : []),
      );
      if (due > to) break;
      this.now = due;
      for (const call of this.calls) {
        if (call.outcome === undefined && call.deadline <= due) this.#giveUp(call, "deadline-exceeded");
        if (call.handler === "running" && call.handlerDeadline <= due) call.handler = "aborted";
      }
      if (this.server === "draining" && due === this.#streamsEnd) this.#endStreams();
      if (this.server === "draining" && due >= this.#drainEnd) this.#serverGone();
      this.#drained();
    }
    this.now = to;
  }

  /** Those that the server serves, and those that it reads. */
  #endStreams(): void {
    for (const call of this.calls.filter(({ kind }) => streamsUp(kind) || streamsDown(kind))) {
      if (call.from === "server") this.#giveUp(call, "unavailable");
      else if (call.handler === "running") {
        call.handler = "aborted";
        call.answered = "unavailable";
        this.#tell("server", { call, tell: "response" });
      }
    }
  }

  get #lastAnswers(): number {
    return Math.min(this.#drainEnd, this.#drainStart + ANSWERS_MS);
  }

  /** A server that drains goes as soon as nothing is in flight. */
  #drained(): void {
    if (this.server !== "draining" || this.now < this.#lastAnswers) return;
    const busy = this.calls.some(({ from, handler, outcome }) => (from === "client" ? handler === "running" : outcome === undefined));
    if (!busy || !this.session) this.#serverGone();
  }

  #serverGone(): void {
    this.server = "closed";
    this.session = false;
    this.#endSide("server");
    this.#unlink();
  }

  /** All that a side has asked for and is asked for ends. */
  #endSide(side: Side): void {
    this.#lines[side] = [];
    if (side === "client") this.#held = [];
    for (const call of this.calls) {
      if (call.from === side) call.outcome ??= call.sent ? "unavailable" : "connection-closed";
      else if (call.handler === "running") call.handler = "aborted";
    }
    if (side === "client") for (const note of this.notes) note.outcome ??= "connection-closed";
  }

  #unlink(): void {
    if (!this.linked) return;
    this.linked = false;
    this.#lines.client.push(...this.#held);
    this.#held = [];
    // What is never sent again is lost with the link.
    for (const call of this.calls) {
      if (call.kind !== "sample") continue;
      call.outcome ??= "unavailable";
      if (call.handler === "running") call.handler = "aborted";
    }
  }

  #startAfresh(): void {
    for (const call of this.calls) {
      if (call.from === "client" && call.sent) call.outcome ??= "unavailable";
      if (call.from === "server" && call.handler === "running") call.handler = "aborted";
    }
    this.#lines.client = this.#lines.client.filter((word) => "note" in word || !word.call.sent);
    this.#lines.server = [];
  }

  #giveUp(call: ModelCall, outcome: string): void {
    if (call.outcome !== undefined) return;
    call.outcome = outcome;
    const rest = (line: Word[]) => line.filter((word) => "note" in word || word.call !== call);
    this.#lines[call.from] = rest(this.#lines[call.from]);
    this.#held = rest(this.#held);
    if (call.sent) this.#tell(call.from, { call, tell: "cancel" });
    this.#drained();
  }

  #tell(from: Side, word: Word): void {
    const held = "call" in word && (this.#held.some((each) => "call" in each && each.call === word.call) || this.#holds(word));
    if (held) this.#held.push(word);
    else this.#lines[from].push(word);
    this.#flow();
  }

  /** A client whose server is about to go keeps new calls for the next one, if they may be late. */
  #holds(word: Word): boolean {
    return (
      "call" in word && word.tell === "request" && word.call.from === "client" && word.call.kind !== "sample" && this.server === "draining"
    );
  }

  #flow(): void {
    for (let moved = true; moved && this.linked; ) {
      moved = false;
      for (const side of ["client", "server"] as const) {
        const word = this.#lines[side].shift();
        if (word === undefined) continue;
        moved = true;
        if ("note" in word) this.#noted(word.note);
        else this.#told(side, word.call, word.tell);
      }
    }
  }

  #noted(note: ModelNote): void {
    note.outcome = "ok";
    note.handled++;
  }

  #told(from: Side, call: ModelCall, tell: Exclude<Word, { note: unknown }>["tell"]): void {
    if (from === call.from) {
      if (tell === "request") {
        call.sent = true;
        if (this.server === "draining" && from === "client") {
          call.outcome ??= "unavailable";
          return;
        }
        call.handler = "running";
        if (call.timeoutMs > 0) call.handlerDeadline = this.now + call.timeoutMs;
      } else if (call.handler === "running") {
        if (tell === "item") call.handled++;
        if (tell === "end") call.complete = true;
        if (tell === "cancel") call.handler = "aborted";
        this.#drained();
      }
    } else if (call.outcome === undefined) {
      if (tell === "response") {
        call.outcome = call.answered;
      } else {
        call.read++;
        if (call.leaving) this.#giveUp(call, "left");
      }
    }
  }
}

export function other(side: Side): Side {
  return side === "client" ? "server" : "client";
}
