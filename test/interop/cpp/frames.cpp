#include "frames.h"

#include <zlib.h>

#include <algorithm>
#include <climits>

namespace {

constexpr uint8_t kChecksumTag = 0x7D;

std::string little_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

uint32_t crc(uint32_t before, const char* bytes, size_t count) {
  return crc32(before, reinterpret_cast<const Bytef*>(bytes), static_cast<uInt>(count));
}

uint32_t checksum(Seed seed, const char* bytes, size_t count) {
  uint32_t sum = 0;
  if (seed) sum = crc(0, little_endian(*seed).data(), 4);
  return crc(sum, bytes, count);
}

}  // namespace

std::string encode(int version, Seed seed, DataFrame fields) {
  fields.set_magic(kMagic);
  fields.set_length(static_cast<int32_t>(fields.payload().size()));
  if (!fields.has_cmd()) fields.set_cmd(0);  // Required fields are written also when they are zero.
  if (version >= 2) fields.set_version(version);
  std::string raw = fields.SerializeAsString();
  if (version >= 2) {
    uint32_t sum = checksum(seed, raw.data(), raw.size());
    raw += static_cast<char>(kChecksumTag);
    raw += little_endian(sum);
  }
  return raw;
}

// Reads on through bytes. The first thing that is wrong stays, and everything behind it reads as zero.
class Decoder::Cursor {
 public:
  Cursor(const std::string& data, size_t at) : data_(data), at(at) {}

  void require(bool holds) {
    if (verdict == Verdict::kHolds && !holds) verdict = Verdict::kDamaged;
  }

  bool ok() const { return verdict == Verdict::kHolds; }

  uint8_t peek() {
    if (ok() && at >= data_.size()) verdict = Verdict::kIncomplete;
    return ok() ? static_cast<uint8_t>(data_[at]) : 0;
  }

  uint8_t byte() {
    uint8_t value = peek();
    if (ok()) at++;
    return value;
  }

  void skip(uint64_t count, size_t limit = SIZE_MAX) {
    require(at <= limit && count <= limit - at);
    if (ok() && count > data_.size() - at) verdict = Verdict::kIncomplete;
    if (ok()) at += count;
  }

  // At most 10 bytes, minimal or not. `fits`: the value is no wider than 64 bits; else it is their lowest 64.
  uint64_t varint(bool& fits) {
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && ok(); shift += 7) {
      uint8_t next = byte();
      value |= static_cast<uint64_t>(next & 0x7F) << shift;
      fits = shift < 63 || next <= 1;
      if (next < 0x80) return value;
    }
    require(false);
    return 0;
  }

  uint64_t minimal() {
    size_t from = at;
    bool fits = false;
    uint64_t value = varint(fits);
    require(fits && (!ok() || data_[at - 1] != 0 || at - from == 1));
    return value;
  }

  int64_t int31() {
    uint64_t value = minimal();
    require(value <= INT32_MAX);
    return static_cast<int64_t>(value);
  }

  // 0 to 2^31-1, or a negative int32 as the 64 bits that protobuf writes.
  int32_t cmd() {
    int64_t value = static_cast<int64_t>(minimal());
    require(value >= INT32_MIN && value <= INT32_MAX);
    return static_cast<int32_t>(value);
  }

 private:
  const std::string& data_;

 public:
  size_t at;
  Verdict verdict = Verdict::kHolds;
};

Decoder::Decoder(int32_t magic) {
  DataFrame head;
  head.set_magic(magic);
  prefix_ = head.SerializePartialAsString() + '\x10';
}

void Decoder::discard(size_t count) {
  discarded += count;
  start_ += count;
}

std::optional<Frame> Decoder::next(bool last) {
  while (true) {
    size_t at = buffer_.find(prefix_, start_);
    if (at == std::string::npos) {
      // The last bytes may be the beginning of a prefix.
      size_t waiting = buffer_.size() - start_;
      size_t keep = last ? 0 : prefix_.size() - 1;
      discard(waiting > keep ? waiting - keep : 0);
      buffer_.erase(0, start_);
      start_ = 0;
      return std::nullopt;
    }
    discard(at - start_);
    Frame frame;
    Verdict verdict = parse(frame);
    if (verdict == Verdict::kHolds) {
      start_ += frame.raw.size();
      return frame;
    }
    if (verdict == Verdict::kIncomplete && !last) return std::nullopt;
    discard(1);
  }
}

// The frame at the start of what waits, by the grammar of section 2.
Decoder::Verdict Decoder::parse(Frame& frame) {
  Cursor cursor(buffer_, start_ + prefix_.size());
  int64_t length = cursor.int31();
  uint8_t tag = cursor.byte();
  if (tag == 0x18) {
    frame.version = static_cast<int32_t>(cursor.int31());
    tag = cursor.byte();
  }
  cursor.require(frame.version >= 1 && frame.version >= min_version && tag == 0x20);
  frame.cmd = cursor.cmd();
  if (length > 0 || (frame.version >= 2 && cursor.peek() == 0x2A)) {
    cursor.require(cursor.byte() == 0x2A);
    cursor.require(cursor.int31() == length);
    // Not before: a length that the rest of the head contradicts was damaged.
    if (cursor.ok() && length > max_payload) {
      too_large = true;
      return Verdict::kDamaged;
    }
    size_t from = cursor.at;
    cursor.skip(length);
    if (cursor.ok()) frame.payload = buffer_.substr(from, length);
  }
  // An empty version 1 frame ends here; a 2A 00 behind it is skipped like any bytes that are no frame.
  if (frame.version >= 2) trailer(cursor);
  if (cursor.ok()) frame.raw = buffer_.substr(start_, cursor.at - start_);
  return cursor.verdict;
}

void Decoder::trailer(Cursor& cursor) const {
  size_t limit = cursor.at + max_trailer - 5;
  int before = 5;
  while (cursor.ok()) {
    uint8_t tag = cursor.byte();
    if (tag == kChecksumTag) break;
    int number = tag >> 3;
    cursor.require(tag < 0x80 && number > before && number < 15);
    before = number;
    bool fits = true;
    switch (tag & 7) {
      case 0:
        cursor.varint(fits);
        break;
      case 1:
        cursor.skip(8, limit);
        break;
      case 2: {
        uint64_t length = cursor.varint(fits);
        cursor.require(fits);
        cursor.skip(length, limit);
        break;
      }
      case 5:
        cursor.skip(4, limit);
        break;
      default:
        cursor.require(false);
    }
    cursor.require(cursor.at <= limit);
  }
  size_t covered = cursor.at - 1 - start_;
  uint32_t stated = 0;
  for (int shift = 0; shift < 32; shift += 8) stated |= static_cast<uint32_t>(cursor.byte()) << shift;
  if (cursor.ok()) cursor.require(stated == checksum(seed, buffer_.data() + start_, covered));
}
