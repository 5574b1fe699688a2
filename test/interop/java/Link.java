package peer;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Carries bytes of frames both ways. */
abstract class Link {
  /** Writes in order, so that whoever handles frames never waits for the network. */
  private final ExecutorService outbox =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread thread = new Thread(task, "outbox");
            thread.setDaemon(true);
            return thread;
          });

  /** The close code that the peer gave, or 0. */
  volatile int closeCode;

  void send(byte[] frame) {
    outbox.execute(
        () -> {
          try {
            write(frame);
          } catch (IOException | CompletionException broken) {
            // The reader sees the end of the link as well.
          }
        });
  }

  /** Sends what waits, then closes. TCP has no close codes: they travel in a goaway, written before this (5.9). */
  void close(int code, String reason) throws InterruptedException {
    outbox.shutdown();
    outbox.awaitTermination(3, TimeUnit.SECONDS);
    end(code, reason);
  }

  abstract void write(byte[] frame) throws IOException;

  abstract void end(int code, String reason);

  /** Some bytes, or null at the end. */
  abstract byte[] receive() throws InterruptedException;

  /** Each receive is a message of its own, and its end is a flush (4.6). */
  abstract boolean messages();

  /** Opens a link to tcp://host:port or ws://host:port and offers the version. */
  static Link open(URI address, int version) throws IOException {
    return address.getScheme().equals("tcp") ? new Tcp(address) : new Web(address, version);
  }

  /** One stream of bytes each way. */
  private static final class Tcp extends Link {
    private final Socket socket;
    private final byte[] buffer = new byte[65536];

    Tcp(URI address) throws IOException {
      socket = new Socket(address.getHost(), address.getPort());
      socket.setTcpNoDelay(true);
    }

    @Override
    void write(byte[] frame) throws IOException {
      socket.getOutputStream().write(frame);
    }

    @Override
    byte[] receive() {
      try {
        int count = socket.getInputStream().read(buffer);
        return count < 0 ? null : Arrays.copyOf(buffer, count);
      } catch (IOException broken) {
        return null;
      }
    }

    @Override
    void end(int code, String reason) {
      try {
        socket.close();
      } catch (IOException alreadyBroken) {
        // Closed is closed.
      }
    }

    @Override
    boolean messages() {
      return false;
    }
  }

  /** One frame in one binary message: this peer does not announce {@code batching}. */
  private static final class Web extends Link implements WebSocket.Listener {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final byte[] END = new byte[0];

    private final LinkedBlockingQueue<byte[]> arrived = new LinkedBlockingQueue<>();
    private final WebSocket socket;
    private byte[] message = new byte[0];

    Web(URI address, int version) throws IOException {
      try {
        socket = HTTP.newWebSocketBuilder().subprotocols("framewire.v" + version).buildAsync(address, this).join();
      } catch (CompletionException refused) {
        throw new IOException(refused.getCause());
      }
    }

    @Override
    void write(byte[] frame) {
      socket.sendBinary(ByteBuffer.wrap(frame), true).join();
    }

    @Override
    byte[] receive() throws InterruptedException {
      byte[] next = arrived.take();
      return next == END ? null : next;
    }

    @Override
    void end(int code, String reason) {
      socket.sendClose(code, reason).whenComplete((done, broken) -> arrived.add(END));
    }

    @Override
    boolean messages() {
      return true;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket from, ByteBuffer part, boolean last) {
      int before = message.length;
      message = Arrays.copyOf(message, before + part.remaining());
      part.get(message, before, part.remaining());
      if (last) {
        arrived.add(message);
        message = new byte[0];
      }
      from.request(1);
      return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
      closeCode = code;
      arrived.add(END);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
      arrived.add(END);
    }
  }
}
