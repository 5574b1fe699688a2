package peer;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import framewire.v1.DataFrameOuterClass.DataFrame;
import framewire.v1.DataFrameOuterClass.FrameKind;
import framewire.v1.Session.Credit;
import framewire.v1.Session.Goaway;
import framewire.v1.Session.Limits;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * A client's side of a session: sequences, acks, sending again, calls, credit, ping and pong (docs/wire.md, section 5). It outlives
 * its links. Guarded by its own monitor.
 */
final class PeerSession {
  static final int VERSION = 2;
  /** What initial_credit means when it is 0 (5.2). */
  static final int DEFAULT_CREDIT = 262_144;
  /** What an item costs beside its payload (5.5). */
  static final int ITEM_COST = 64;

  static final int NORMAL = 1000;
  private static final int TOO_LARGE = 4401;
  private static final int VIOLATION = 4402;
  private static final int RESEND_IMPOSSIBLE = 4510;
  private static final int UNIMPLEMENTED = 12;
  private static final int UNAVAILABLE = 14;
  private static final int DATA_LOSS = 15;
  private static final int KEPT_FRAMES = 4096;
  private static final int ACK_DELAY_MS = 20;
  private static final int ASK_AGAIN_MS = 300;

  /** A call that ended with another status than 0. */
  static final class Refused extends Exception {
    final int status;

    Refused(int status, String message) {
      super(message);
      this.status = status;
    }
  }

  /** Closes the connection with its close code (5.9). */
  private static final class Fatal extends Exception {
    final int code;

    Fatal(int code, String text) {
      super(text);
      this.code = code;
    }
  }

  /** One call in flight and what arrived for it. */
  final class Call {
    private final int id;
    private final int cmd;
    private final LinkedBlockingQueue<DataFrame> arrived = new LinkedBlockingQueue<>();

    private Call(int id, int cmd) {
      this.id = id;
      this.cmd = cmd;
    }

    /** Waits for the next item, or for the response, which is the last frame. Gives up after {@code timeoutMs}. */
    DataFrame next(long timeoutMs) throws InterruptedException, Refused {
      DataFrame frame = arrived.poll(timeoutMs, TimeUnit.MILLISECONDS);
      synchronized (PeerSession.this) {
        if (frame == null) {
          calls.remove(id);
          send(of(FrameKind.FRAME_KIND_CANCEL), true);
          throw new Refused(4, "no answer within " + timeoutMs + " ms");
        }
        if (frame.getKind() == FrameKind.FRAME_KIND_RESPONSE) calls.remove(id);
      }
      if (frame.getStatus() != 0) throw new Refused(frame.getStatus(), frame.getExt().getMessage());
      return frame;
    }

    /** Gives the credit for an item back. */
    void consumed(DataFrame item) {
      Credit credit = Credit.newBuilder().setBytes(item.getPayload().size() + ITEM_COST).build();
      synchronized (PeerSession.this) {
        send(of(FrameKind.FRAME_KIND_CREDIT).setPayload(credit.toByteString()), true);
      }
    }

    private DataFrame.Builder of(FrameKind kind) {
      return DataFrame.newBuilder().setCmd(cmd).setCallId(id).setKind(kind);
    }
  }

  final int seed = new SecureRandom().nextInt();
  final LinkedBlockingQueue<ByteString> pongs = new LinkedBlockingQueue<>();
  private final int initialCredit;
  private final ScheduledExecutorService clock =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "clock");
            thread.setDaemon(true);
            return thread;
          });
  private final Map<Integer, Call> calls = new HashMap<>();
  /** What the peer has not acknowledged. */
  private final Deque<DataFrame.Builder> kept = new ArrayDeque<>();

  /** Why the last connection was closed, as far as anybody said so. */
  volatile int closeCode;
  int askedAgain;
  int pingsAnswered;
  long received;
  private long sent;
  private int nextCall = 1;
  private Link link;
  private ScheduledFuture<?> ackTimer;
  private ScheduledFuture<?> askTimer;

  PeerSession(int initialCredit) {
    this.initialCredit = initialCredit;
  }

  // --- The link ---

  Limits limits() {
    return Limits.newBuilder().setMaxPayload(1 << 20).setMaxCalls(64).setInitialCredit(initialCredit).build();
  }

  /** The lowest sequence that can still be sent again. */
  synchronized long oldest() {
    return kept.isEmpty() ? sent + 1 : kept.getFirst().getSequence();
  }

  /** The last connection was closed in a way that says not to try again (5.9). */
  synchronized boolean isFinal() {
    return closeCode >= 4000 && closeCode < 4500;
  }

  /** Goes on over this link, once hello and welcome are exchanged: first what the peer has not got, then what is new (5.7). */
  synchronized void attach(Link link, long peerReceived) {
    this.link = link;
    closeCode = 0;
    acknowledged(peerReceived);
    kept.forEach(this::write);
  }

  /** The peer knows nothing of this session (verdict 0 or 3). */
  synchronized void startAfresh() {
    received = sent = 0;
    kept.clear();
    DataFrame lost = DataFrame.newBuilder().setKind(FrameKind.FRAME_KIND_RESPONSE).setStatus(UNAVAILABLE).buildPartial();
    calls.values().forEach(call -> call.arrived.add(lost));
    calls.clear();
  }

  /** Handles what comes over the link until it ends. The decoder has the seed of the peer. */
  void run(Link link, Decoder decoder) throws InterruptedException {
    // At first, what came in one piece with the welcome.
    for (byte[] chunk = new byte[0]; chunk != null; chunk = link.receive()) {
      try {
        take(link, decoder, chunk);
      } catch (Fatal reason) {
        closeCode = reason.code;
        goodbye(reason.code, reason.getMessage());
        return;
      }
    }
    synchronized (this) {
      if (this.link != link) return;
      this.link = null;
      stopTimers();
      if (link.closeCode != 0) closeCode = link.closeCode;
    }
  }

  private synchronized void take(Link from, Decoder decoder, byte[] chunk) throws Fatal {
    if (link != from) return;
    long discarded = decoder.discarded;
    decoder.push(chunk);
    for (Frame frame; (frame = decoder.next(from.messages())) != null; ) {
      try {
        handle(frame.fields());
      } catch (InvalidProtocolBufferException unreadable) {
        throw new Fatal(VIOLATION, "a frame that no protobuf library can read");
      }
    }
    if (decoder.tooLarge) throw new Fatal(TOO_LARGE, "a frame is larger than this peer takes");
    if (decoder.discarded > discarded) askAgain();
  }

  /** Says why, then closes (5.9). Code 1000 ends the session; on WebSocket the code is in the close frame as well. */
  void goodbye(int code, String reason) throws InterruptedException {
    Link last;
    synchronized (this) {
      last = link;
      link = null;
      stopTimers();
    }
    if (last == null) return;
    Goaway goaway = Goaway.newBuilder().setReason(reason).setCloseCode(code).build();
    last.send(control(seed, FrameKind.FRAME_KIND_GOAWAY, goaway));
    last.close(code, reason);
  }

  /** A frame of cmd 0 with this message. */
  static byte[] control(Integer seed, FrameKind kind, MessageLite message) {
    return Frame.encode(VERSION, seed, DataFrame.newBuilder().setKind(kind).setPayload(message.toByteString()));
  }

  // --- Sending ---

  /** A frame of the kinds 0 to 6. A reliable one is kept until the peer acknowledges it, whether there is a link or not. */
  private void send(DataFrame.Builder frame, boolean reliable) {
    if (reliable) {
      kept.add(frame.setSequence(++sent));
      if (kept.size() > KEPT_FRAMES) kept.removeFirst();
    }
    write(frame);
  }

  private void write(DataFrame.Builder frame) {
    if (link == null) return;
    if (received > 0) {
      frame.setAck(received); // Rides on whatever goes back.
      cancel(ackTimer);
      ackTimer = null;
    }
    link.send(Frame.encode(VERSION, seed, frame));
  }

  synchronized void note(int cmd, MessageLite message) {
    send(DataFrame.newBuilder().setCmd(cmd).setPayload(message.toByteString()), true);
  }

  synchronized void ping(String payload) {
    write(DataFrame.newBuilder().setKind(FrameKind.FRAME_KIND_PING).setPayload(ByteString.copyFromUtf8(payload)));
  }

  /** Opens a call (5.4). Clients count in odd numbers. */
  synchronized Call open(int cmd, MessageLite request, boolean reliable) {
    Call call = new Call(nextCall, cmd);
    nextCall += 2;
    calls.put(call.id, call);
    send(call.of(FrameKind.FRAME_KIND_REQUEST).setPayload(request.toByteString()), reliable);
    return call;
  }

  /** Calls and waits for the one reply. */
  ByteString unary(int cmd, MessageLite request) throws InterruptedException, Refused {
    return open(cmd, request, true).next(20_000).getPayload();
  }

  // --- Receiving ---

  private void handle(DataFrame frame) throws Fatal, InvalidProtocolBufferException {
    if (frame.hasAck()) {
      if (Long.compareUnsigned(frame.getAck(), sent) > 0) throw new Fatal(VIOLATION, "an ack for what was never sent");
      acknowledged(frame.getAck());
    }
    if (frame.getSequence() != 0 && !inOrder(frame.getSequence())) return;
    Call call = calls.get(frame.getCallId());
    // A kind from the future: enums of proto2 are closed here, and the frame looks like a message (5.3).
    if (frame.getUnknownFields().hasField(DataFrame.KIND_FIELD_NUMBER)) return;
    switch (frame.getKind()) {
      case FRAME_KIND_PING -> {
        pingsAnswered++;
        write(DataFrame.newBuilder().setKind(FrameKind.FRAME_KIND_PONG).setPayload(frame.getPayload()));
      }
      case FRAME_KIND_PONG -> pongs.add(frame.getPayload());
      case FRAME_KIND_ACK -> {
        if (frame.getStatus() == DATA_LOSS) sendAgain(frame.getAck());
      }
      case FRAME_KIND_RESPONSE, FRAME_KIND_ITEM -> {
        // A frame for a call that is over is ignored.
        if (call != null) call.arrived.add(frame);
      }
      case FRAME_KIND_REQUEST -> {
        // This peer serves nothing.
        DataFrame.Builder answer = DataFrame.newBuilder().setCmd(frame.getCmd()).setCallId(frame.getCallId());
        send(answer.setKind(FrameKind.FRAME_KIND_RESPONSE).setStatus(UNIMPLEMENTED), true);
      }
      case FRAME_KIND_GOAWAY -> closeCode = Goaway.parseFrom(frame.getPayload()).getCloseCode();
      case FRAME_KIND_HELLO, FRAME_KIND_WELCOME -> throw new Fatal(VIOLATION, "a second hello or welcome");
      default -> {
        // One-way messages have no handler here; this peer streams no items, so it needs no credit.
      }
    }
  }

  private boolean inOrder(long sequence) {
    if (Long.compareUnsigned(sequence, received) <= 0) return false; // A repetition.
    if (sequence != received + 1) {
      askAgain();
      return false;
    }
    received = sequence;
    if (ackTimer == null) ackTimer = clock.schedule(this::acknowledge, ACK_DELAY_MS, TimeUnit.MILLISECONDS);
    return true;
  }

  private synchronized void acknowledge() {
    if (ackTimer != null) write(DataFrame.newBuilder().setKind(FrameKind.FRAME_KIND_ACK));
  }

  /** Asks for everything behind {@code received}: once now, and again after a while if nothing new came (5.6). */
  private void askAgain() {
    if (askTimer != null || link == null) return;
    askedAgain++;
    write(DataFrame.newBuilder().setKind(FrameKind.FRAME_KIND_ACK).setAck(received).setStatus(DATA_LOSS));
    long before = received;
    askTimer = clock.schedule(() -> stillMissing(before), ASK_AGAIN_MS, TimeUnit.MILLISECONDS);
  }

  private synchronized void stillMissing(long before) {
    if (askTimer == null) return;
    askTimer = null;
    if (received == before) askAgain();
  }

  private void stopTimers() {
    cancel(ackTimer);
    cancel(askTimer);
    ackTimer = askTimer = null;
  }

  private static void cancel(ScheduledFuture<?> timer) {
    if (timer != null) timer.cancel(false);
  }

  private void acknowledged(long sequence) {
    while (!kept.isEmpty() && kept.getFirst().getSequence() <= sequence) kept.removeFirst();
  }

  private void sendAgain(long ack) throws Fatal {
    if (oldest() > ack + 1) throw new Fatal(RESEND_IMPOSSIBLE, "what is asked for is no longer kept");
    kept.forEach(this::write);
  }
}
