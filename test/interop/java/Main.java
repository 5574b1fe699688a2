package peer;

import com.google.protobuf.ByteString;
import framewire.v1.DataFrameOuterClass.DataFrame;
import framewire.v1.DataFrameOuterClass.FrameKind;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import test.v1.TestServiceOuterClass.CountRequest;
import test.v1.TestServiceOuterClass.CountResponse;
import test.v1.TestServiceOuterClass.EchoRequest;
import test.v1.TestServiceOuterClass.EchoResponse;
import test.v1.TestServiceOuterClass.NoteRequest;
import test.v1.TestServiceOuterClass.SampleRequest;
import test.v1.TestServiceOuterClass.SampleResponse;

/**
 * A framewire peer in Java, written from docs/wire.md.
 *
 * <pre>
 *   client URL VERSION    walks through everything a client does against a server of test.v1.TestService
 *   decode                reads streams from standard input and prints their frames
 * </pre>
 *
 * URL is tcp://host:port or ws://host:port. README.md in the folder above says what is printed.
 */
final class Main {
  private static final int ECHO = 257;
  private static final int COUNT = 258;
  private static final int NOTE = 261;
  private static final int SAMPLE = 262;
  private static final int INITIAL_CREDIT = 16_384;
  private static final String GREETING = "Grüß dich, 世界";
  private static final long LARGE_ID = -(1L << 53) - 1;
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "decode" -> decode();
      case "client" -> {
        URI address = URI.create(arguments[1]);
        if (arguments[2].equals("1")) plainScenario(address);
        else sessionScenario(address);
      }
      default -> throw new IllegalArgumentException(arguments[0]);
    }
    System.exit(0); // The JDK's HTTP client has threads of its own.
  }

  private static EchoRequest.Builder echo(String text) {
    return EchoRequest.newBuilder().setText(text);
  }

  private static void sessionScenario(URI address) throws Exception {
    Client client = new Client(address, INITIAL_CREDIT);
    PeerSession session = client.session;
    OUT.println("welcome verdict " + client.verdicts.get(0).getNumber());

    byte[] bytes = new byte[256];
    for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) i;
    ByteString data = ByteString.copyFrom(bytes);
    EchoResponse reply = EchoResponse.parseFrom(session.unary(ECHO, echo(GREETING).setId(LARGE_ID).setData(data).build()));
    OUT.println("echo " + reply.getText() + " " + reply.getId() + " " + same(reply.getData().equals(data)));

    try {
      session.unary(ECHO, echo("refuse").build());
    } catch (PeerSession.Refused refused) {
      OUT.println("refused " + refused.status + " " + refused.getMessage());
    }

    ByteString large = ByteString.copyFrom(new byte[700_000]);
    reply = EchoResponse.parseFrom(session.unary(ECHO, EchoRequest.newBuilder().setData(large).build()));
    OUT.println("large " + same(reply.getData().equals(large)));

    countUp(session);

    DataFrame sampled = session.open(SAMPLE, SampleRequest.newBuilder().setText("never sent again").build(), false).next(20_000);
    OUT.println("sample " + SampleResponse.parseFrom(sampled.getPayload()).getText());

    session.ping("are you there");
    OUT.println("pong " + session.pongs.poll(20, TimeUnit.SECONDS).toStringUtf8());

    // The server hears nothing from us meanwhile and pings.
    session.unary(ECHO, echo("wait").setDelayMs(600).build());
    OUT.println("answered pings " + yes(session.pingsAnswered > 0));

    for (int number = 1; number <= 20; number++) session.note(NOTE, note(number));
    for (String text : List.of("behind the notes", "damage the reply")) {
      OUT.println("echo " + EchoResponse.parseFrom(session.unary(ECHO, echo(text).build())).getText());
    }
    OUT.println("asked again " + yes(session.askedAgain > 0));

    // The server cuts the connection before it answers.
    reply = EchoResponse.parseFrom(session.unary(ECHO, echo("cut").build()));
    OUT.println("echo " + reply.getText() + " verdicts " + client.verdicts.get(0).getNumber() + " " + client.verdicts.get(1).getNumber());
    client.close();
    OUT.println("closed");
  }

  /** Calls the method that streams, and gives credit for each item. */
  private static void countUp(PeerSession session) throws Exception {
    PeerSession.Call call = session.open(COUNT, CountRequest.newBuilder().setCount(300).setPadding(1000).build(), true);
    int count = 0;
    int sum = 0;
    int last = 0;
    boolean ordered = true;
    DataFrame frame;
    while ((frame = call.next(20_000)).getKind() == FrameKind.FRAME_KIND_ITEM) {
      int number = CountResponse.parseFrom(frame.getPayload()).getNumber();
      ordered &= number > last;
      last = number;
      count++;
      sum += number;
      call.consumed(frame);
    }
    OUT.println("count " + count + " sum " + sum + " " + same(ordered));
  }

  private static void plainScenario(URI address) throws Exception {
    PlainClient client = new PlainClient(address);
    List<CompletableFuture<byte[]>> replies = new ArrayList<>();
    for (String text : List.of(GREETING, "two", "three")) replies.add(client.request(ECHO, echo(text).setId(LARGE_ID).build()));
    for (CompletableFuture<byte[]> arrived : replies) {
      EchoResponse reply = EchoResponse.parseFrom(arrived.get(20, TimeUnit.SECONDS));
      OUT.println("echo " + reply.getText() + " " + reply.getId());
    }
    ByteString large = ByteString.copyFrom(new byte[700_000]);
    byte[] reply = client.request(ECHO, EchoRequest.newBuilder().setData(large).build()).get(20, TimeUnit.SECONDS);
    OUT.println("large " + same(EchoResponse.parseFrom(reply).getData().equals(large)));
    for (int number = 1; number <= 20; number++) client.send(NOTE, note(number));
    reply = client.request(ECHO, echo("behind the notes").build()).get(20, TimeUnit.SECONDS);
    OUT.println("echo " + EchoResponse.parseFrom(reply).getText());
    client.close();
    OUT.println("closed");
  }

  private static NoteRequest note(int number) {
    return NoteRequest.newBuilder().setText("note " + number + "!").build();
  }

  private static String same(boolean is) {
    return is ? "same" : "DIFFERENT";
  }

  private static String yes(boolean is) {
    return is ? "yes" : "no";
  }

  /** One stream a line: chunk size (0 = whole), magic, minVersion, seed or -, maxPayload, maxTrailer, bytes in hex. */
  private static void decode() throws Exception {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line; (line = lines.readLine()) != null; ) {
      String[] words = line.split(" ");
      Decoder decoder = new Decoder(Integer.parseInt(words[1]));
      decoder.minVersion = Integer.parseInt(words[2]);
      decoder.seed = words[3].equals("-") ? null : Integer.parseUnsignedInt(words[3]);
      decoder.maxPayload = Long.parseLong(words[4]);
      decoder.maxTrailer = Integer.parseInt(words[5]);
      byte[] stream = words.length > 6 ? HexFormat.of().parseHex(words[6]) : new byte[0];
      int size = words[0].equals("0") ? Math.max(1, stream.length) : Integer.parseInt(words[0]);
      List<String> found = new ArrayList<>();
      for (int at = 0; at < stream.length; at += size) {
        decoder.push(Arrays.copyOfRange(stream, at, Math.min(stream.length, at + size)));
        take(decoder, false, found);
      }
      take(decoder, true, found);
      OUT.println(String.join(" ", found));
    }
  }

  private static void take(Decoder decoder, boolean last, List<String> found) {
    HexFormat hex = HexFormat.of();
    for (Frame frame; (frame = decoder.next(last)) != null; ) {
      found.add(frame.version() + ":" + frame.cmd() + ":" + hex.formatHex(frame.payload()) + ":" + hex.formatHex(frame.raw()));
    }
  }
}
