package peer;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import framewire.v1.DataFrameOuterClass.DataFrame;
import framewire.v1.DataFrameOuterClass.FrameKind;
import framewire.v1.Session.Goaway;
import framewire.v1.Session.Hello;
import framewire.v1.Session.PeerInfo;
import framewire.v1.Session.ResumeRequest;
import framewire.v1.Session.ResumeVerdict;
import framewire.v1.Session.Welcome;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;

/** Version 2: connects, and after a cut connects again and resumes, until {@link #close}. */
final class Client {
  private static final int FIRST_RETRY_MS = 50; // An app would start at 1 s and add jitter.
  private static final int LAST_RETRY_MS = 5000;

  final PeerSession session;
  /** Of each welcome. */
  final List<ResumeVerdict> verdicts = new ArrayList<>();

  private final URI address;
  private final Thread life;
  private ByteString token = ByteString.EMPTY;
  private int attempt; // Tells a hello that was held up in the network from the newest.
  private volatile boolean closing;

  private record Joined(Link link, Decoder decoder) {}

  Client(URI address, int initialCredit) throws IOException, InterruptedException {
    this.address = address;
    session = new PeerSession(initialCredit);
    Joined first = handshake();
    life = new Thread(() -> live(first), "life");
    life.start();
  }

  /** Leaves for good: the server forgets the session. */
  void close() throws InterruptedException {
    closing = true;
    session.goodbye(PeerSession.NORMAL, "");
    life.join();
  }

  private void live(Joined joined) {
    try {
      while (true) {
        session.run(joined.link, joined.decoder);
        joined.link.close(PeerSession.NORMAL, "");
        joined = null;
        for (int delay = FIRST_RETRY_MS; joined == null; delay = Math.min(2 * delay, LAST_RETRY_MS)) {
          if (closing || session.isFinal()) return;
          Thread.sleep(delay);
          try {
            joined = handshake();
          } catch (IOException unreachable) {
            // Tried again after a longer delay.
          }
        }
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  /** Opens a link and exchanges hello and welcome, both without a seed (5.2). */
  private Joined handshake() throws IOException, InterruptedException {
    Link link = Link.open(address, 2);
    Hello.Builder hello =
        Hello.newBuilder()
            .setMinVersion(2)
            .setMaxVersion(2)
            .setChecksumSeed(session.seed)
            .setLimits(session.limits())
            .setPeer(PeerInfo.newBuilder().setName("interop").setVersion("1").setPlatform("java"));
    if (!token.isEmpty()) {
      ResumeRequest.Builder resume = ResumeRequest.newBuilder().setToken(token).setAttempt(++attempt);
      hello.setResume(resume.setReceived(session.received).setOldest(session.oldest()));
    }
    link.send(PeerSession.control(null, FrameKind.FRAME_KIND_HELLO, hello.build()));
    Decoder decoder = new Decoder(Frame.MAGIC);
    decoder.minVersion = 2;
    Frame frame = firstFrame(link, decoder);
    if (frame == null || frame.fields().getKind() != FrameKind.FRAME_KIND_WELCOME) {
      session.closeCode = link.closeCode;
      if (frame != null && frame.fields().getKind() == FrameKind.FRAME_KIND_GOAWAY) {
        session.closeCode = Goaway.parseFrom(frame.payload()).getCloseCode();
      }
      link.close(PeerSession.NORMAL, "");
      throw new IOException("no welcome, close code " + session.closeCode);
    }
    Welcome welcome = Welcome.parseFrom(frame.payload());
    decoder.seed = welcome.getChecksumSeed();
    token = welcome.getToken();
    verdicts.add(welcome.getVerdict());
    switch (welcome.getVerdict()) {
      case RESUME_VERDICT_RESUMED -> {}
      // What the server lost for us will not come; what it lost of ours it has told its own application.
      case RESUME_VERDICT_GAP -> session.received = Math.max(session.received, welcome.getToClient().getTo());
      default -> session.startAfresh();
    }
    session.attach(link, welcome.getReceived());
    return new Joined(link, decoder);
  }

  /** Waits for the first frame; null if the link ends before. The decoder keeps the bytes behind it. */
  private static Frame firstFrame(Link link, Decoder decoder) throws InterruptedException {
    for (byte[] chunk; (chunk = link.receive()) != null; ) {
      decoder.push(chunk);
      Frame frame = decoder.next(link.messages());
      if (frame != null) return frame;
    }
    return null;
  }
}

/** Version 1: no session. A reply has its request's cmd; replies of one cmd come in the order of the requests (6). */
final class PlainClient {
  private final Link link;
  private final Map<Integer, Queue<CompletableFuture<byte[]>>> waiting = new HashMap<>();

  PlainClient(URI address) throws IOException {
    link = Link.open(address, 1);
    Thread life = new Thread(this::live, "life");
    life.setDaemon(true);
    life.start();
  }

  void send(int cmd, MessageLite message) {
    link.send(Frame.encode(1, null, DataFrame.newBuilder().setCmd(cmd).setPayload(message.toByteString())));
  }

  /** Sends a request; gives the payload of its reply. */
  synchronized CompletableFuture<byte[]> request(int cmd, MessageLite message) {
    CompletableFuture<byte[]> reply = new CompletableFuture<>();
    waiting.computeIfAbsent(cmd, unused -> new ArrayDeque<>()).add(reply);
    send(cmd, message);
    return reply;
  }

  void close() throws InterruptedException {
    link.close(PeerSession.NORMAL, "");
  }

  private void live() {
    Decoder decoder = new Decoder(Frame.MAGIC);
    try {
      for (byte[] chunk; (chunk = link.receive()) != null; ) {
        decoder.push(chunk);
        for (Frame frame; (frame = decoder.next(link.messages())) != null; ) arrived(frame);
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void arrived(Frame frame) {
    Queue<CompletableFuture<byte[]>> replies = waiting.get(frame.cmd());
    if (replies != null && !replies.isEmpty()) replies.remove().complete(frame.payload());
  }
}
