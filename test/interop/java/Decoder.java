package peer;

import java.util.Arrays;

/**
 * Cuts a stream into frames and skips what is none (docs/wire.md, section 4.1). {@code seed} and {@code minVersion} may be changed
 * between two calls of {@link #next} and hold from the next frame on.
 *
 * <p>A candidate is read again from its start when more bytes come. That is enough for an honest peer; against one that sends many
 * headers with one common end see "Cost" in section 4.4.
 */
final class Decoder {
  int minVersion = 1;
  Integer seed;
  long maxPayload = 1 << 20;
  int maxTrailer = 1024;
  /** Bytes that belonged to no frame. */
  long discarded;
  /** A frame above maxPayload was announced. */
  boolean tooLarge;

  private final byte[] prefix;
  /** The bytes from {@code start} to {@code end} wait. */
  private byte[] buffer = new byte[4096];
  private int start;
  private int end;

  Decoder(int magic) {
    prefix = Frame.prefix(magic);
  }

  /** Adds bytes that arrived. */
  void push(byte[] chunk) {
    if (end + chunk.length > buffer.length) {
      int waiting = end - start;
      byte[] room = waiting + chunk.length <= buffer.length / 2 ? buffer : new byte[2 * (waiting + chunk.length)];
      System.arraycopy(buffer, start, room, 0, waiting);
      buffer = room;
      start = 0;
      end = waiting;
    }
    System.arraycopy(chunk, 0, buffer, end, chunk.length);
    end += chunk.length;
  }

  /** The next frame, or null if none is complete. {@code last}: no further byte can complete anything (a flush). */
  Frame next(boolean last) {
    while (true) {
      int at = find();
      if (at < 0) {
        // The last bytes may be the beginning of a prefix.
        discard(Math.max(0, end - start - (last ? 0 : prefix.length - 1)));
        return null;
      }
      discard(at - start);
      try {
        Frame frame = parse();
        start += frame.raw().length;
        return frame;
      } catch (Incomplete incomplete) {
        if (!last) return null;
      } catch (Damaged damaged) {
        // The scan goes on one byte behind the candidate's start.
      }
      discard(1);
    }
  }

  private int find() {
    for (int at = start; at + prefix.length <= end; at++) {
      if (Arrays.equals(buffer, at, at + prefix.length, prefix, 0, prefix.length)) return at;
    }
    return -1;
  }

  private void discard(int count) {
    discarded += count;
    start += count;
  }

  /** The frame at the start of the buffer, by the grammar of section 2. */
  private Frame parse() throws Incomplete, Damaged {
    Cursor cursor = new Cursor(start + prefix.length);
    int length = cursor.int31();
    int version = 1;
    int tag = cursor.next();
    if (tag == 0x18) {
      version = cursor.int31();
      tag = cursor.next();
    }
    require(version >= 1 && version >= minVersion && tag == 0x20);
    int cmd = cursor.cmd();
    byte[] payload = new byte[0];
    if (length > 0 || (version >= 2 && cursor.peek() == 0x2A)) {
      require(cursor.next() == 0x2A && cursor.int31() == length);
      // Not before: a length that the rest of the head contradicts was damaged.
      if (length > maxPayload) {
        tooLarge = true;
        throw new Damaged();
      }
      int from = cursor.at;
      cursor.skip(length, Integer.MAX_VALUE);
      payload = Arrays.copyOfRange(buffer, from, cursor.at);
    }
    // An empty version 1 frame ends here; a 2A 00 behind it is skipped like any bytes that are no frame.
    if (version >= 2) trailer(cursor);
    return new Frame(version, cmd, payload, Arrays.copyOfRange(buffer, start, cursor.at));
  }

  private void trailer(Cursor cursor) throws Incomplete, Damaged {
    int limit = cursor.at + maxTrailer - 5;
    int before = 5;
    int tag;
    while ((tag = cursor.next()) != Frame.CHECKSUM_TAG) {
      int number = tag >> 3;
      require(tag < 0x80 && number > before && number < 15);
      before = number;
      switch (tag & 7) {
        case 0 -> cursor.varint();
        case 1 -> cursor.skip(8, limit);
        case 2 -> {
          long length = cursor.varint();
          require(!cursor.wide && length >= 0);
          cursor.skip(length, limit);
        }
        case 5 -> cursor.skip(4, limit);
        default -> throw new Damaged();
      }
      require(cursor.at <= limit);
    }
    byte[] covered = Arrays.copyOfRange(buffer, start, cursor.at - 1);
    int stated = 0;
    for (int shift = 0; shift < 32; shift += 8) stated |= cursor.next() << shift;
    require(stated == Frame.checksum(seed, covered, covered.length));
  }

  private static void require(boolean holds) throws Damaged {
    if (!holds) throw new Damaged();
  }

  /** More bytes will tell. */
  private static final class Incomplete extends Exception {
    Incomplete() {
      super(null, null, false, false);
    }
  }

  /** The candidate fails. */
  private static final class Damaged extends Exception {
    Damaged() {
      super(null, null, false, false);
    }
  }

  /** Reads on through the buffer. */
  private final class Cursor {
    int at;
    /** The last varint was wider than 64 bits; what was returned are its lowest 64. */
    boolean wide;

    Cursor(int at) {
      this.at = at;
    }

    int peek() throws Incomplete {
      if (at >= end) throw new Incomplete();
      return buffer[at] & 0xFF;
    }

    int next() throws Incomplete {
      int value = peek();
      at++;
      return value;
    }

    void skip(long count, int limit) throws Incomplete, Damaged {
      require(count <= limit - at);
      if (count > end - at) throw new Incomplete();
      at += (int) count;
    }

    /** At most 10 bytes, minimal or not. */
    long varint() throws Incomplete, Damaged {
      long value = 0;
      for (int shift = 0; shift < 70; shift += 7) {
        int next = next();
        value |= (long) (next & 0x7F) << shift;
        if (next < 0x80) {
          wide = shift == 63 && next > 1;
          return value;
        }
      }
      throw new Damaged();
    }

    private long minimal() throws Incomplete, Damaged {
      int from = at;
      long value = varint();
      require(!wide && (buffer[at - 1] != 0 || at - from == 1));
      return value;
    }

    int int31() throws Incomplete, Damaged {
      long value = minimal();
      require(value >= 0 && value <= Integer.MAX_VALUE);
      return (int) value;
    }

    /** 0 to 2^31-1, or a negative int32 as the 64 bits that protobuf writes. */
    int cmd() throws Incomplete, Damaged {
      long value = minimal();
      require(value == (int) value);
      return (int) value;
    }
  }
}
