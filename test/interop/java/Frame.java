package peer;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import framewire.v1.DataFrameOuterClass.DataFrame;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32;

/** A frame that holds, and how frames are written (docs/wire.md, sections 1 to 3). {@code raw} is all of it. */
record Frame(int version, int cmd, byte[] payload, byte[] raw) {
  static final int MAGIC = 0x7EDDFCF5;
  static final int CHECKSUM_TAG = 0x7D;

  /** The trailer as well. */
  DataFrame fields() throws InvalidProtocolBufferException {
    return DataFrame.parseFrom(raw);
  }

  /** Writes a frame. Magic, length, version and checksum are filled in; a seed of null means none. */
  static byte[] encode(int version, Integer seed, DataFrame.Builder fields) {
    fields.setMagic(MAGIC).setLength(fields.getPayload().size());
    if (!fields.hasCmd()) fields.setCmd(0); // Required fields are written also when they are zero.
    if (version == 1) return fields.build().toByteArray();
    byte[] raw = fields.setVersion(version).build().toByteArray();
    ByteBuffer frame = ByteBuffer.allocate(raw.length + 5).order(ByteOrder.LITTLE_ENDIAN);
    return frame.put(raw).put((byte) CHECKSUM_TAG).putInt(checksum(seed, raw, raw.length)).array();
  }

  /** CRC-32 of the seed, if there is one, and the first {@code length} bytes. */
  static int checksum(Integer seed, byte[] bytes, int length) {
    CRC32 crc = new CRC32();
    if (seed != null) crc.update(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(0, seed));
    crc.update(bytes, 0, length);
    return (int) crc.getValue();
  }

  static byte[] prefix(int magic) {
    ByteString head = DataFrame.newBuilder().setMagic(magic).buildPartial().toByteString();
    ByteArrayOutputStream prefix = new ByteArrayOutputStream();
    prefix.writeBytes(head.toByteArray());
    prefix.write(0x10);
    return prefix.toByteArray();
  }
}
