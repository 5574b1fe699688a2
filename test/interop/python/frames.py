"""Frames: bytes to frames and back (docs/wire.md, sections 1 to 4)."""

import zlib

from framewire.v1.data_frame_pb2 import DataFrame, FrameKind

MAGIC = 0x7EDDFCF5
INT31 = 0x7FFFFFFF
CHECKSUM_TAG = 0x7D


def encode(version, seed=None, magic=MAGIC, **fields):
    """One frame. `fields` are those of DataFrame from `cmd` on, save for `length` and `checksum`."""
    frame = DataFrame(magic=magic, length=len(fields.get("payload", b"")), **fields)
    if version >= 2:
        frame.version = version
    raw = frame.SerializeToString()
    if version >= 2:
        raw += bytes([CHECKSUM_TAG]) + checksum(seed, raw).to_bytes(4, "little")
    return raw


def checksum(seed, raw):
    start = 0 if seed is None else zlib.crc32(seed.to_bytes(4, "little"))
    return zlib.crc32(raw, start)


class Damaged(Exception):
    """The candidate fails."""


class Incomplete(Exception):
    """More bytes will tell."""


class Decoder:
    """
    Cuts a stream into frames and skips what is none (section 4.1).

    `push` is a generator: what the reader of a frame sets here (`seed`, `min_version`) holds from the next frame on.
    A candidate is read again from its start when more bytes come. That is enough for an honest peer; against one that
    sends many headers with one common end see "Cost" in section 4.4.
    """

    def __init__(self, magic=MAGIC, min_version=1, seed=None, max_payload=1 << 20, max_trailer=1024):
        self.prefix = DataFrame(magic=magic).SerializePartialToString() + b"\x10"
        self.min_version = min_version
        self.seed = seed
        self.max_payload = max_payload
        self.max_trailer = max_trailer
        self.discarded = 0  # bytes that belonged to no frame
        self.too_large = False  # a frame above max_payload was announced
        self._buffer = bytearray()

    def push(self, chunk, final=False):
        """The frames that are complete with `chunk`. `final`: no further byte can complete anything (a flush)."""
        self._buffer += chunk
        while True:
            at = self._buffer.find(self.prefix)
            if at < 0:
                # The last bytes may be the beginning of a prefix.
                self._discard(len(self._buffer) if final else max(0, len(self._buffer) - len(self.prefix) + 1))
                return
            self._discard(at)
            try:
                frame, end = self._parse()
            except Incomplete:
                if not final:
                    return
                self._discard(1)
            except Damaged:
                self._discard(1)
            else:
                del self._buffer[:end]
                yield frame

    def _discard(self, count):
        self.discarded += count
        del self._buffer[:count]

    def _parse(self):
        """The frame at the start of the buffer and where it ends, by the grammar of section 2."""
        head = Cursor(self._buffer, len(self.prefix))
        length = head.int31()
        version = 1
        tag = head.byte()
        if tag == 0x18:
            version = head.int31()
            tag = head.byte()
        if version < max(1, self.min_version) or tag != 0x20:
            raise Damaged
        cmd = head.cmd()
        if version == 1 and length == 0:
            # A 2A 00 behind it is skipped like any bytes that are no frame.
            return Frame(version, cmd, b"", self._buffer[: head.at]), head.at
        payload = b""
        if length > 0 or head.peek() == 0x2A:
            if head.byte() != 0x2A or head.int31() != length:
                raise Damaged
            # Not before: a length that the rest of the head contradicts was damaged.
            if length > self.max_payload:
                self.too_large = True
                raise Damaged
            payload = head.bytes(length)
        if version >= 2:
            self._trailer(head)
        return Frame(version, cmd, payload, self._buffer[: head.at]), head.at

    def _trailer(self, cursor):
        limit = cursor.at + self.max_trailer - 5
        last = 5
        while (tag := cursor.byte()) != CHECKSUM_TAG:
            number, wire_type = tag >> 3, tag & 7
            if tag >= 0x80 or not last < number < 15:
                raise Damaged
            last = number
            if wire_type == 0:
                cursor.varint()
            elif wire_type in (1, 5):
                cursor.skip(8 if wire_type == 1 else 4, limit)
            elif wire_type == 2:
                cursor.skip(cursor.varint(), limit)
            else:
                raise Damaged
            if cursor.at > limit:
                raise Damaged
        covered = cursor.at - 1
        stated = int.from_bytes(cursor.bytes(4), "little")
        if stated != checksum(self.seed, self._buffer[:covered]):
            raise Damaged


class Frame:
    """A frame that holds. `fields()` is the DataFrame with its trailer."""

    def __init__(self, version, cmd, payload, raw):
        self.version = version
        self.cmd = cmd
        self.payload = payload
        self.raw = bytes(raw)

    def fields(self):
        return DataFrame.FromString(self.raw)


class Cursor:
    """Reads on through bytes; Incomplete where they end."""

    def __init__(self, data, at):
        self.data = data
        self.at = at

    def peek(self):
        if self.at >= len(self.data):
            raise Incomplete
        return self.data[self.at]

    def byte(self):
        value = self.peek()
        self.at += 1
        return value

    def bytes(self, count):
        if self.at + count > len(self.data):
            raise Incomplete
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def skip(self, count, limit):
        if self.at + count > limit:
            raise Damaged
        self.bytes(count)

    def varint(self):
        """A varint of at most 10 bytes, minimal or not."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Damaged

    def minimal(self):
        start = self.at
        value = self.varint()
        if self.data[self.at - 1] == 0 and self.at - start > 1:
            raise Damaged
        return value

    def int31(self):
        value = self.minimal()
        if value > INT31:
            raise Damaged
        return value

    def cmd(self):
        """0 to 2^31-1, or a negative int32 as the 64 bits that protobuf writes."""
        value = self.minimal()
        if value <= INT31:
            return value
        if (1 << 64) - (1 << 31) <= value < 1 << 64:
            return value - (1 << 64)
        raise Damaged
